import { type Leg } from '@changeover/core';
import { createStorageBridge, type StorageApi } from 'changeover';
import { join } from 'node:path';
import { openRecorder, silentLogger, SqliteLedgerStore } from '@changeover/bridge';
import { writeTestFlags } from '../command/write-test-flags.ts';

/** As long as a dataset's name gets, without a place to break it. */
export const endless: string = 'x'.repeat(59);
/** What would run if any of it were taken for markup. */
export const hostile: string =
  '<img src=x onerror="globalThis.injected=1">"><script>globalThis.injected=1</script>\' onfocus=globalThis.injected=1 \u202eevil 🚢';

/** Where a migration lies. */
export interface RecordedMigration {
  readonly folder: string;
  readonly flags: string;
  readonly store: string;
  /** Ends the program that is part of it. */
  close(): Promise<void>;
}

/**
 * A migration with a few hundred calls on a real store: SQLite on shadow with mismatches on `wrong`, DuckDB on legacy, names
 * and values of the worst kind in recordings and ledger, and a program that still runs.
 */
export async function recordMigration(folder: string): Promise<RecordedMigration> {
  const [flags, store] = [
    join(folder, 'flags.json'),
    join(folder, '.changeover', 'comparisons.sqlite'),
  ];
  writeTestFlags(flags, { sqlite: 'shadow' });
  const bridge = createStorageBridge({
    basePath: folder,
    flagsFile: flags,
    ledger: false,
    logger: silentLogger,
    guardrail: { mode: 'report' },
    decoratePooledLeg: withWrongAge,
  });
  try {
    for (const engine of ['sqlite', 'duckdb'] as const) {
      const storage = bridge.storage(engine);
      for (const dataset of engine === 'duckdb'
        ? ['seeds']
        : ['titanic', 'iris', 'penguins', 'wrong', endless]) {
        await storage.createDataset(dataset);
        await storage.writeTable(dataset, 'train', [
          { id: 1, age: 41, name: hostile },
          { id: 2, age: 7, name: 'Ada' },
        ]);
        for (let call = 0; call < 60; call += 1) {
          await storage.readTable(dataset, 'train', { limit: 1 + (call % 2) });
          // Fewer are shed, however busy the machine is.
          if (call % 2 === 0) await bridge.idle();
        }
      }
    }
    await bridge.idle();
    bridge.recorder.flush();
    recordHostile(store);
  } catch (error) {
    await bridge.close();
    throw error;
  }
  return { folder, flags, store, close: () => bridge.close() };
}

/** The pooled leg's fault: every age on `wrong` is one too many. */
function withWrongAge(leg: Leg<StorageApi>): Leg<StorageApi> {
  const readTable: StorageApi['readTable'] = async (dataset, ...rest) => {
    const rows = await leg.api.readTable(dataset, ...rest);
    return dataset === 'wrong'
      ? rows.map((row) => ({ ...row, age: Number(row['age']) + 1 }))
      : rows;
  };
  return {
    ...leg,
    shadow: undefined,
    // What the leg's class has is not its own, so that a copy would lack it.
    api: new Proxy(leg.api, {
      get(target, name): unknown {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return name === 'readTable' ? readTable : (method.bind(target) as unknown);
      },
    }),
  };
}

/** Names as another program, or another version, may have left them. */
function recordHostile(store: string): void {
  const recorder = openRecorder({ path: store, run: hostile, logger: silentLogger });
  recorder.sample({
    at: Date.now(),
    backend: 'sqlite',
    dataset: hostile,
    operation: hostile,
    stage: 'shadow',
    verdict: 'mismatch',
    class: hostile,
    summary: hostile,
    legacy: { [hostile]: hostile },
    pooled: hostile,
    reason: hostile,
    shape: hostile,
    call: { kind: 'read', values: 'raw', args: [hostile, { [hostile]: hostile }], trace: hostile },
  });
  recorder.cell('sqlite', hostile, hostile, 'shadow').calls += 1;
  recorder.close();
  const ledger = new SqliteLedgerStore(store);
  const line = {
    at: Date.now(),
    from: 'legacy',
    to: 'legacy',
    held: false,
    revision: hostile,
    previous: 0,
  } as const;
  ledger.append([
    { ...line, backend: hostile, dataset: hostile, who: hostile, reason: hostile },
    { ...line, backend: 'sqlite', dataset: 'penguins', who: hostile, reason: hostile.repeat(20) },
  ]);
  ledger.close();
}
