import { keyTarget, allKeys, noKey } from '@changeover/core';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../../../../test/kit/manual-clock.ts';
import { createStaticStageSource } from '../flags/static-stage-source.ts';
import type { StageSource } from '../flags/stage-source.ts';
import { Guardrail } from '../guardrail.ts';
import type { GuardrailOptions } from '../guardrail-options.ts';
import { silentLogger } from '../../log.ts';
import { Ledger } from './ledger.ts';
import { SqliteLedgerStore } from './file-ledger-store.ts';
import { limitStages } from '../limited-stages.ts';
import { ledgerHolds } from './ledger-limits.ts';

interface Process {
  readonly ledger: Ledger;
  readonly source: StageSource;
  readonly guardrail: Guardrail;
}

let folder: string;
let clock: ManualClock;
let opened: Ledger[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-holds-'));
  clock = new ManualClock();
  opened = [];
});

afterEach(async () => {
  for (const ledger of opened) await ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What one process makes of the shared store. */
function start(options: GuardrailOptions = {}): Process {
  const store = new SqliteLedgerStore(join(folder, 'store.sqlite'));
  const ledger = new Ledger({ store, logger: silentLogger, clock });
  opened.push(ledger);
  const source = limitStages(createStaticStageSource({ sqlite: 'pooled', duckdb: 'pooled' }), [
    ledgerHolds(ledger),
  ]);
  return { ledger, source, guardrail: new Guardrail(source, clock, silentLogger, options, ledger) };
}

function stage({ guardrail }: Process, dataset: string, backend = 'sqlite'): string {
  return guardrail.decide({ backend, dataset, operation: 'query' }).stage;
}

const author = { who: 'ada', reason: 'it looks wrong' };

describe('a ledger that only holds back', () => {
  test('leaves to the flags what nobody holds', () => {
    expect(stage(start(), 'titanic')).toBe('pooled');
  });

  test('a hold is obeyed at once here, within the review interval elsewhere, and says why', async () => {
    const [here, there] = [start(), start()];
    let told = 0;
    there.guardrail.subscribe(() => {
      told += 1;
    });
    here.ledger.hold('sqlite', keyTarget('titanic'), author);
    expect(stage(here, 'titanic')).toBe('legacy');
    await clock.advance(2_000);
    expect(stage(there, 'titanic')).toBe('legacy');
    expect(told).toBe(1);
    expect(
      there.guardrail.decide({ backend: 'sqlite', dataset: 'titanic', operation: 'query' }).reason,
    ).toBe(
      'it is held at legacy by ada: it looks wrong; the flag asks for pooled: set by the program: pooled',
    );
    expect(stage(there, 'iris')).toBe('pooled');
  });

  test('a whole engine is held, and no other engine', async () => {
    const [here, there] = [start(), start()];
    here.ledger.hold('sqlite', allKeys, author);
    await clock.advance(2_000);
    expect([stage(there, 'titanic'), stage(there, ''), stage(there, 'titanic', 'duckdb')]).toEqual([
      'legacy',
      'legacy',
      'pooled',
    ]);
  });

  test('a hold outlives the process that made it', async () => {
    const here = start();
    here.ledger.hold('sqlite', keyTarget('titanic'), author);
    await here.ledger.close();
    expect(stage(start(), 'titanic')).toBe('legacy');
  });
});

describe('a guardrail with a ledger', () => {
  test('holds in every process, and a person in another process resumes it for all', async () => {
    const [here, there] = [start(), start()];
    here.guardrail.mismatch('sqlite', 'titanic', 'row 3 differs');
    expect(stage(here, 'titanic')).toBe('legacy');
    await clock.advance(2_000);
    expect(stage(there, 'titanic')).toBe('legacy');
    expect(there.guardrail.holds).toMatchObject([
      { backend: 'sqlite', target: keyTarget('titanic') },
    ]);
    expect((await there.ledger.history())[0]).toMatchObject({ who: 'guardrail', held: true });

    expect(there.ledger.resume('sqlite', keyTarget('titanic'), author)).toBe(true);
    await clock.advance(2_000);
    expect([stage(here, 'titanic'), stage(there, 'titanic')]).toEqual(['pooled', 'pooled']);
    expect(here.guardrail.holds).toEqual([]);
  });

  test('holds what concerns no key apart from every key', async () => {
    const here = start();
    here.guardrail.mismatch('sqlite', '', 'listDatasets differs');
    expect([stage(here, ''), stage(here, 'titanic')]).toEqual(['legacy', 'pooled']);
    expect(here.guardrail.holds).toMatchObject([{ backend: 'sqlite', target: noKey }]);
    await clock.advance(0);
    expect(await here.ledger.history()).toMatchObject([{ dataset: '*', held: true }]);
  });

  test('is written down once, however many mismatches follow', async () => {
    const here = start();
    for (let count = 0; count < 5; count += 1)
      here.guardrail.mismatch('sqlite', 'titanic', 'row 3 differs');
    await clock.advance(2_000);
    expect(await here.ledger.history()).toHaveLength(1);
  });

  test('counts anew after it was resumed', async () => {
    const here = start({ maxMismatches: 2 });
    for (let count = 0; count < 2; count += 1)
      here.guardrail.mismatch('sqlite', 'titanic', 'row 3 differs');
    expect(stage(here, 'titanic')).toBe('legacy');
    here.ledger.resume('sqlite', keyTarget('titanic'), author);
    here.guardrail.mismatch('sqlite', 'titanic', 'row 3 differs');
    expect(stage(here, 'titanic')).toBe('pooled');
    await clock.advance(0);
  });
});
