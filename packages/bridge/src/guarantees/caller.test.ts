import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import {
  beginCallersAtRequests,
  type Caller,
  caller,
  currentCaller,
  processRoot,
} from './caller.ts';
import { GuaranteeRegistry } from './guarantee-registry.ts';
import { gatedCall, settled, traits } from './test-kit/gated-call.ts';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

/** A server on a free port, closed after the test. */
async function listen(server: http.Server | http2.Http2Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  endings.push(() => {
    server.close();
    if (server instanceof http.Server) server.closeAllConnections();
  });
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

/** One request on a connection that is kept for all. */
function get(url: string, agent: http.Agent): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent }, (response) => {
        response.resume();
        response.on('end', () => {
          resolve(response.statusCode);
        });
      })
      .on('error', reject);
  });
}

describe('The caller', () => {
  test('is the process where no boundary stands above, before and after an await', async () => {
    expect(currentCaller()).toBe(processRoot);
    await settled();
    expect(currentCaller()).toBe(processRoot);
  });

  test('is a new one inside caller(), which returns and throws as its work does, in the same tick', async () => {
    const seen: Caller[] = [];
    const work = async (): Promise<string> => {
      seen.push(currentCaller());
      await settled();
      seen.push(currentCaller());
      return 'done';
    };
    expect(caller(() => 1)).toBe(1);
    expect(() =>
      caller(() => {
        throw new Error('its own');
      }),
    ).toThrow('its own');
    await expect(Promise.all([caller(work), caller(work)])).resolves.toEqual(['done', 'done']);
    expect(seen[0]).not.toBe(seen[1]);
    expect(seen.slice(2)).toEqual([seen[0], seen[1]]);
    expect(seen).not.toContain(processRoot);
    expect(currentCaller()).toBe(processRoot);
  });

  test('inside caller() is in no transaction that surrounds it', async () => {
    const registry = new GuaranteeRegistry();
    endings.push(() => {
      registry.close();
    });
    const gate = registry.gate({ key: 'k' });
    const joined: boolean[] = [];
    const read = (): Promise<void> =>
      gatedCall(gate, traits({ kind: 'read' }), async (admission) => {
        joined.push(admission?.traits.kind === 'transaction');
      });
    await gatedCall(gate, traits({ kind: 'transaction' }), async () => {
      await read();
      await caller(read);
    });
    expect(joined).toEqual([true, false]);
  });
});

describe('A request', () => {
  test('over HTTP/1 is a caller of its own, on one kept connection too, and through its body and events', async () => {
    endings.push(beginCallersAtRequests(), beginCallersAtRequests());
    const seen: Caller[][] = [];
    const server = http.createServer((request, response) => {
      const callers = [currentCaller()];
      seen.push(callers);
      request.resume().on('end', () => {
        callers.push(currentCaller());
        setImmediate(() => {
          callers.push(currentCaller());
          response.end();
        });
      });
    });
    const url = await listen(server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    endings.push(() => {
      agent.destroy();
    });
    for (let request = 0; request < 3; request += 1) await get(url, agent);
    expect(seen.map((callers) => new Set(callers).size)).toEqual([1, 1, 1]);
    expect(new Set(seen.flat()).size).toBe(3);
    expect(seen[0]?.[0]?.origin).toBe('http.server.request');
    expect(currentCaller()).toBe(processRoot);
  });

  test('over HTTP/2 is a caller of its own', async () => {
    endings.push(beginCallersAtRequests());
    const seen: Caller[] = [];
    const server = http2.createServer();
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      seen.push(currentCaller());
      stream.respond();
      stream.end();
    });
    const client = http2.connect(await listen(server));
    for (let request = 0; request < 2; request += 1) {
      const stream = client.request({ ':path': '/' });
      stream.resume().end();
      await once(stream, 'close');
    }
    client.close();
    expect(new Set(seen).size).toBe(2);
    expect(seen[0]?.origin).toBe('http2.server.stream');
  });

  test('belongs to the process again once all who began the boundary have ended it', async () => {
    const end = [beginCallersAtRequests(), beginCallersAtRequests()];
    const seen: string[] = [];
    const url = await listen(
      http.createServer((_request, response) => {
        seen.push(currentCaller().origin);
        response.end();
      }),
    );
    const getAnew = (): Promise<unknown> => get(url, new http.Agent());
    end[0]?.();
    end[0]?.();
    await getAnew();
    end[1]?.();
    await getAnew();
    expect(seen).toEqual(['http.server.request', 'process']);
  });

  test('does not wait for another that is independent of it, from the first ordered call on', async () => {
    const registry = new GuaranteeRegistry();
    endings.push(() => {
      registry.close();
    });
    const gate = registry.gate({ key: 'k' });
    await gatedCall(gate, traits(), settled);
    const { promise: bothInFlight, resolve: go } = Promise.withResolvers<undefined>();
    let inFlight = 0;
    const server = http.createServer((_request, response) => {
      // Each waits for the other's write to be in flight, and ends only if they don't wait for each other's end.
      const write = gatedCall(gate, traits(), async () => {
        inFlight += 1;
        if (inFlight === 2) go(undefined);
        await bothInFlight;
      });
      const read = gatedCall(gate, traits({ kind: 'read' }), async () => gate.quiet);
      void Promise.all([write, read]).then(([, sawItsWriteEnd]) => {
        response.writeHead(sawItsWriteEnd || inFlight === 2 ? 200 : 500).end();
      });
    });
    const url = await listen(server);
    const agent = new http.Agent({ maxSockets: 2 });
    await expect(Promise.all([get(url, agent), get(url, agent)])).resolves.toEqual([200, 200]);
    expect(gate.reliance().order.count).toBe(2);
  });
});
