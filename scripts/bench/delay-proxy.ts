import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** A TCP proxy that holds every piece of data back for a while in each direction, as a distant server would. */
export interface DelayProxy {
  /** The server's URL through the proxy. */
  readonly url: string;
  stop(): Promise<void>;
}

interface DelayProxyData {
  readonly host: string;
  readonly port: number;
  readonly delayMs: number;
}

/** Starts one in a thread of its own, so that what is measured doesn't hold it up. */
export async function startDelayProxy(url: string, delayMs: number): Promise<DelayProxy> {
  const { hostname, port } = new URL(url);
  const data: DelayProxyData = { host: hostname, port: Number(port), delayMs };
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  const listening = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(listening);
  return {
    url: through.href,
    stop: async () => {
      await worker.terminate();
    },
  };
}

function serve({ host, port, delayMs }: DelayProxyData): void {
  const server = createServer((caller) => {
    const target = connect({ host, port });
    delayed(caller, target, delayMs);
    delayed(target, caller, delayMs);
  });
  server.listen(0, '127.0.0.1', () => {
    parentPort?.postMessage((server.address() as AddressInfo).port);
  });
}

function delayed(from: Socket, to: Socket, delayMs: number): void {
  from.setNoDelay(true);
  from.on('data', (bytes) => {
    setTimeout(() => {
      if (to.writable) to.write(bytes);
    }, delayMs);
  });
  from.on('end', () => {
    setTimeout(() => {
      to.end();
    }, delayMs);
  });
  from.on('error', () => {
    to.destroy();
  });
}

if (!isMainThread && isOurs(workerData)) serve(workerData);

function isOurs(data: unknown): data is DelayProxyData {
  return typeof data === 'object' && data !== null && 'delayMs' in data && 'port' in data;
}
