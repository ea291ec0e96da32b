import Database from 'better-sqlite3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Bridge, bridgeOf, createStaticStageSource, type Stage } from 'changeover';
import { bridgeDatabase, type BridgeDatabaseOptions } from 'changeover/better-sqlite3';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A handle on a file of its own, with its bridge. */
export interface BridgedHandle {
  readonly db: Database.Database;
  readonly bridge: Bridge;
  readonly file: string;
  /** The handle itself, which only tests go past the bridge by. */
  readonly handle: Database.Database;
  /** The pooled leg's connections, in the order in which they were opened. */
  readonly opened: Database.Database[];
  to(stage: Stage): void;
  /** Waits until statements are classified. */
  learned(...statements: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface BridgedHandleOptions extends Partial<BridgeDatabaseOptions> {
  readonly stage?: Stage;
  /** The pooled leg's connections are opened as for a program that says nothing of it. */
  readonly byDefault?: boolean;
  /** What is in the file before the bridge is made. */
  readonly schema?: string;
  /** Default: `wal`. */
  readonly journalMode?: 'wal' | 'delete';
}

/** Makes a file, a handle and its bridge. */
export function bridgedHandle(options: BridgedHandleOptions = {}): BridgedHandle {
  const {
    stage = 'legacy',
    schema = '',
    journalMode = 'wal',
    byDefault = false,
    ...rest
  } = options;
  const folder = mkdtempSync(join(tmpdir(), 'changeover-handle-'));
  const file = join(folder, 'notes.db');
  const handle = new Database(file);
  handle.pragma(`journal_mode = ${journalMode}`);
  handle.exec(schema);
  const opened: Database.Database[] = [];
  const stages = createStaticStageSource({ notes: stage });
  const db = bridgeDatabase(handle, {
    name: 'notes',
    stages,
    storePath: ':memory:',
    logger: quiet,
    ...(byDefault
      ? {}
      : {
          pooled: (path: string) => {
            const database = new Database(path);
            opened.push(database);
            return database;
          },
        }),
    ...rest,
  });
  const bridge = bridgeOf(db);
  return {
    db,
    bridge,
    file,
    handle,
    opened,
    to: (next) => stages.set({ notes: next }),
    async learned(...statements) {
      for (const sql of statements) db.prepare(sql);
      // The parser is loaded and the schema read in the background.
      for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    },
    async close() {
      await bridge.idle();
      db.close();
      await bridge.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
