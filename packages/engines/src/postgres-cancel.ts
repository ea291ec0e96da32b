import { postgresDriver } from './drivers.ts';
import { settledWithin } from './program-line.ts';

/** Where a server is and which of its processes to interrupt. */
export interface CancelTarget {
  readonly processID: number | null;
  readonly secretKey: unknown;
  readonly host: string;
  readonly port: number;
  readonly ssl: boolean | object;
}

interface CancelConnection {
  connect(portOrPath: number | string, host?: string): void;
  cancel(processId: number | null, secretKey: unknown): void;
  on(event: string, listener: (error?: Error) => void): void;
  readonly stream: { destroy(): void };
}

type CancelConnectionClass = new (config: Record<string, unknown>) => CancelConnection;

/** Asks the server to give up what the process runs. The request travels on a connection of its own, which is closed at the signal.
 * Never rejects. */
export async function requestCancel(
  target: CancelTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { host, port, ssl, processID, secretKey } = target;
  const { Connection } = postgresDriver() as unknown as { Connection: CancelConnectionClass };
  const connection = new Connection({ ssl });
  const sent = new Promise<void>((resolve) => {
    const send = (): void => {
      connection.cancel(processID, secretKey);
    };
    connection.on('connect', () => {
      if (ssl === false) send();
    });
    connection.on('sslconnect', send);
    connection.on('error', () => {
      resolve();
    });
    connection.on('end', () => {
      resolve();
    });
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
  if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
  else connection.connect(port, host);
  await settledWithin(sent, timeoutMs);
  connection.stream.destroy();
}
