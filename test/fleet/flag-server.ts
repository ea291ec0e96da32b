import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Stage } from '@changeover/core';
import { testFlags } from '../command/write-test-flags.ts';

/** A server of flags in Unleash's form that says of each process by itself which flags it hears, and whether it hears any. */
export interface FlagServer {
  readonly url: string;
  /** The stage that the flag of `notes` names from now on, for those processes, or all; others are not answered any more. */
  serve(stage: Stage, processes?: readonly string[]): void;
  stop(): Promise<void>;
}

/** Starts one on a free port of the loopback interface. A process's token is its name. */
export async function startFlagServer(stage: Stage): Promise<FlagServer> {
  let document = '';
  let heard: readonly string[] | undefined;
  const serve: FlagServer['serve'] = (to, processes) => {
    document = JSON.stringify(testFlags({ notes: to }, { sampleRate: 1 }));
    heard = processes;
  };
  serve(stage);
  const server = createServer((request, response) => {
    const isHeard = heard?.includes(request.headers.authorization ?? '') ?? true;
    if (!isHeard) response.writeHead(503).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(document);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/api`,
    serve,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
