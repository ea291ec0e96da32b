import { graceMs } from './call-log.ts';
import { Arena } from './arena.ts';
import type { Engine } from '@changeover/engines';
import { duckdbFaults } from './duckdb-faults.ts';
import type { Fault } from './fault.ts';
import type { FaultyPostgres } from './faulty-postgres.ts';
import { runHistories } from './history/history-run.ts';
import { postgresqlFaults } from './postgresql-faults.ts';
import { processFaults } from './process-faults.ts';
import { pick, seededRandom } from './random.ts';
import { sqliteFaults } from './sqlite-faults.ts';

/** Every fault of the campaign. */
export const faults: readonly Fault[] = [
  ...postgresqlFaults,
  ...sqliteFaults,
  ...duckdbFaults,
  ...processFaults,
];

/** What came of one run. */
export interface CampaignResult {
  readonly calls: number;
  readonly faults: readonly string[];
  /** How long the machine had no core for the process: calls may have been answered later by that. */
  readonly keptWaitingMs: number;
  /** What should have held and didn't; empty where all is well. */
  readonly problems: readonly string[];
}

/** One fault alone, under load on its engines, so many times. */
export async function runFault(
  fault: Fault,
  postgres: FaultyPostgres,
  grace = graceMs,
  times = 1,
): Promise<CampaignResult> {
  const arena = await Arena.open(fault.engines, postgres, seededRandom(1), grace);
  return await runIn(
    arena,
    Array.from({ length: times }, () => [fault]),
  );
}

/** {@link runSeed}, and histories of calls through the bridge, which the same seed chooses. */
export async function runSeedWithHistories(
  seed: number,
  postgres: FaultyPostgres,
  engines: readonly Engine[],
): Promise<CampaignResult> {
  const mixed = await runSeed(seed, postgres);
  const histories = await runHistories({ postgres, engines, random: seededRandom(~seed) });
  return {
    ...mixed,
    calls: mixed.calls + histories.calls,
    faults: [...mixed.faults, `${String(histories.histories)} histories`],
    problems: [...mixed.problems, ...histories.problems],
  };
}

/** Some faults, one after the other and now and then two at once, under load on all engines, as the seed chooses. */
export async function runSeed(
  seed: number,
  postgres: FaultyPostgres,
  grace = graceMs,
): Promise<CampaignResult> {
  const random = seededRandom(seed);
  const rounds = Array.from({ length: 2 + Math.floor(random() * 2) }, () => {
    const first = pick(random, faults);
    const others = faults.filter((fault) => mayCoincide(fault, first));
    return random() < 0.5 && others.length > 0 ? [first, pick(random, others)] : [first];
  });
  return await runIn(
    await Arena.open(['sqlite', 'duckdb', 'postgresql'], postgres, random, grace),
    rounds,
  );
}

/** Two that befall one engine would find each other's doing wrong. */
function mayCoincide(a: Fault, b: Fault): boolean {
  return engineOf(a) !== engineOf(b) && a.alone !== true && b.alone !== true;
}

function engineOf({ name }: Fault): string {
  return name.slice(0, name.indexOf(':'));
}

async function runIn(arena: Arena, rounds: readonly (readonly Fault[])[]): Promise<CampaignResult> {
  try {
    arena.startLoad();
    for (const round of rounds) {
      await arena.answered(10);
      await Promise.all(
        round.map((fault) =>
          fault.run(arena).catch((error: unknown) => {
            arena.log.problem(`"${fault.name}" itself failed: ${String(error)}`);
          }),
        ),
      );
      await arena.recovered();
    }
    await arena.finish();
  } catch (error) {
    arena.log.problem(
      `the campaign failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  } finally {
    await arena.close();
  }
  return {
    calls: arena.log.calls.length,
    faults: rounds.flat().map(({ name }) => name),
    keptWaitingMs: arena.log.keptWaitingMs,
    problems: [...new Set(arena.log.problems)],
  };
}
