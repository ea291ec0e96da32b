import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Bridge } from '@changeover/bridge';
import { rowFaults, type Rows } from '../integration/planted-faults.ts';
import { seededRandom } from '../integration/traffic.ts';
import { counted } from '../kit/counted.ts';
import type { Lie } from './lies.ts';

/** A program's handle, whose pooled leg can be made to lie. */
export interface Handle {
  readonly bridge: Bridge;
  /** Reads what the pooled leg may lie about. */
  read(inOrder: boolean): unknown;
  /** Reads what it does not lie about. */
  readOther(): unknown;
  write(): unknown;
  /** Lets time go by between two rounds of load. */
  readonly pass?: (() => void) | undefined;
}

/** Something that goes wrong with what the pooled leg reads. */
export interface Planted {
  readonly name: string;
  /** As what it must be found; undefined where it is none and must not be found. */
  readonly class: string | undefined;
  readonly inOrder: boolean;
  begin(): void;
  end(): void;
}

/** What can go wrong with the rows that were seen last. */
export function plantedIn(lie: Lie): Planted[] {
  const { honest = [] } = lie;
  return Object.entries(rowFaults).flatMap(([name, fault], at) => {
    const spoil = (rows: Rows): Rows | undefined => fault.plant(rows, seededRandom(at + 1));
    if (fault.class !== 'error' && spoil(honest) === undefined) return [];
    const begin = (): void => {
      lie.spoil = spoil;
    };
    const end = (): void => {
      lie.spoil = undefined;
    };
    return [{ name, class: fault.class, inOrder: fault.ordered === true, begin, end }];
  });
}

/** The answers of both reads are known, and are compared. */
export async function warmUp(handle: Handle): Promise<void> {
  for (const inOrder of [false, true]) {
    const before = matches(handle);
    if (!(await until(() => matches(handle) > before + 10, handle, inOrder)))
      throw new Error('what is read was not compared');
  }
}

/** Plants each fault while the handle is in use. Gives what was not found, or was found as something else. */
export async function notFound(handle: Handle, faults: readonly Planted[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const fault of faults) {
    const { name, class: kind, inOrder } = fault;
    const [before, same] = [found(handle), matches(handle)];
    const isSeen = (): boolean =>
      kind === undefined
        ? matches(handle) > same + 20
        : (found(handle)[kind] ?? 0) > (before[kind] ?? 0);
    fault.begin();
    const seen = await until(isSeen, handle, inOrder);
    fault.end();
    await handle.bridge.idle();
    const after = found(handle);
    const others = Object.keys(after).filter(
      (other) => other !== kind && after[other] !== before[other],
    );
    if (!seen || others.length > 0)
      wrong.push(`${name}: ${seen ? 'found' : 'not found'}, and as ${others.join(', ')}`);
  }
  return wrong;
}

/** Rounds of load until something holds: what a text does is learned first, and a busy process sheds comparisons. */
async function until(holds: () => boolean, handle: Handle, inOrder: boolean): Promise<boolean> {
  for (let round = 0; round < 500 && !holds(); round += 1)
    await load(handle, inOrder, round % 3 === 0);
  return holds();
}

/**
 * As many callers as a small server has, each awaiting what it asked before it asks again, and one that writes. What is read while it
 * does may not be compared: on a synchronous handle it is part of the open transaction.
 */
async function load(handle: Handle, inOrder: boolean, writes: boolean): Promise<void> {
  const caller = async (): Promise<void> => {
    await handle.readOther();
    try {
      await handle.read(inOrder);
    } catch {
      // What fails on the pooled leg fails for its caller at `reverse`.
    }
  };
  const writer = async (): Promise<void> => {
    if (writes) await handle.write();
  };
  await Promise.all([...Array.from({ length: 10 }, caller), writer()]);
  await nextTurn();
  await handle.bridge.idle();
  handle.pass?.();
}

/** How often each class of mismatch was found. */
function found({ bridge }: Handle): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { verdict, class: kind, count } of bridge.recorder.summary().sampleGroups)
    if (verdict === 'mismatch') counts[String(kind)] = (counts[String(kind)] ?? 0) + count;
  return counts;
}

function matches({ bridge }: Handle): number {
  return counted(bridge.recorder, 'match');
}
