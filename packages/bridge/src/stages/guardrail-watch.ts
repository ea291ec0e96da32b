import { callTarget } from './flags/stage-source.ts';
import { allKeys, type Clock, type Stage, type Timer } from '@changeover/core';
import type { WindowFigures } from '../fleet/fleet-message.ts';
import type { SharedWindows } from '../fleet/shared-windows.ts';
import type { Guardrail } from './guardrail.ts';
import type { Logger } from '../log.ts';
import type { Cell } from '../recorder/cell.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { routes } from '../call/route.ts';
import { shareOfMemory } from './share-of-memory.ts';
import { TickRing } from '../shadow/tick-ring.ts';

/** What is known of the legacy leg from before this process. */
export interface LegacyBaseline {
  readonly calls: number;
  readonly failed: number;
  /** What nine of ten calls did not exceed; undefined where none was measured. */
  readonly p90Ms: number | undefined;
}

type AskBaseline = (
  backend: string,
  dataset: string,
  operation?: string,
) => LegacyBaseline | 'unread' | undefined;

/** What the watch is made of. */
export interface GuardrailWatchOptions {
  readonly guardrail: Guardrail;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asked only when the pooled leg looks too slow or fails too often, and this process has not seen enough of the legacy
   * leg to compare it with. `operation` is left out for all of them; `unread` is asked again at the next look, and nothing is said
   * before. Default: nothing is known. */
  readonly baseline?: AskBaseline | undefined;
  /** The windows of other processes, which are judged together with this one's. Default: there are none. */
  readonly shared?: SharedWindows | undefined;
  /** The share of the memory that is taken. Default: this process's, of the heap or of all, whichever is more. */
  readonly memoryShare?: (() => number) | undefined;
}

interface Snapshot {
  readonly calls: number;
  readonly failed: number;
  readonly pooled: Timed;
  readonly legacy: Timed;
}

interface Timed {
  readonly count: number;
  readonly sumMs: number;
}

interface WatchedCell {
  readonly cell: Cell;
  last: Snapshot;
  idleTicks: number;
}

interface WatchedOperation {
  readonly pooled: TickRing;
  /** Of this tick alone. */
  tick: Timed;
  /** Since this process began. */
  legacy: Timed;
}

interface WatchedDataset {
  readonly backend: string;
  readonly dataset: string;
  /** Calls that the pooled leg answered, and how many of them failed. */
  readonly answered: TickRing;
  tick: { calls: number; failed: number };
  /** Since this process began. */
  legacy: { calls: number; failed: number };
  readonly operations: Map<string, WatchedOperation>;
  idleTicks: number;
}

const ticksAWindow = 12;
/** Before a latency says anything. */
const minTicksWithCalls = ticksAWindow / 2;
/** A quarter of a window. */
const ticksOfFullMemory = 3;
const maxWatched = 20_000;

/**
 * Looks at what routers count, a few times a window, and tells the guardrail where a limit is breached: failed calls and
 * latency of the pooled leg against the legacy leg's, open breakers, memory. On no caller's path.
 */
export class GuardrailWatch {
  readonly #options: GuardrailWatchOptions;
  readonly #tickMs: number;
  readonly #cells = new Map<Cell, WatchedCell>();
  readonly #datasets = new Map<string, WatchedDataset>();
  readonly #breakers = new Map<string, { backend: string; dataset: string; sinceMs: number }>();
  /** Backends whose pooled leg did something, with the ticks since. */
  readonly #pooledBackends = new Map<string, number>();
  #ticksOfFullMemory = 0;
  #timer: Timer | undefined = undefined;
  #closed = false;

  constructor(options: GuardrailWatchOptions) {
    this.#options = options;
    this.#tickMs = Math.max(1, options.guardrail.options.rateWindowMs / ticksAWindow);
    this.#schedule();
  }

  /** The same recorder, for a router whose calls are to be watched. */
  over(recorder: Recorder): Recorder {
    return {
      cell: (backend: string, dataset: string, operation: string, stage: Stage): Cell =>
        this.#watch(recorder.cell(backend, dataset, operation, stage)),
      shape: (key) => recorder.shape(key),
      sample: (sample) => {
        recorder.sample(sample);
      },
      relied: (seen) => {
        recorder.relied(seen);
      },
      reliance: () => recorder.reliance(),
      event: (kind, fields) => {
        recorder.event(kind, fields);
      },
      counted: () => recorder.counted(),
      watchRules: (source) => recorder.watchRules(source),
      answerRepeats: (backend, source) => recorder.answerRepeats(backend, source),
      summary: (at) => recorder.summary(at),
      summaryInSteps: (at) => recorder.summaryInSteps(at),
      refresh: () => recorder.refresh(),
      refreshKeys: (waiting) => recorder.refreshKeys(waiting),
      flush: () => {
        recorder.flush();
      },
      flushAll: () => {
        recorder.flushAll();
      },
      close: () => {
        recorder.close();
      },
    };
  }

  /** A breaker of the pools that serve callers changed. */
  breakerChanged(backend: string, dataset: string, state: 'closed' | 'open' | 'half-open'): void {
    const name = `${backend}\0${dataset}`;
    if (state === 'closed') {
      this.#breakers.delete(name);
      this.#options.guardrail.recovered('breaker', backend, callTarget(dataset));
    } else if (!this.#breakers.has(name) && this.#breakers.size < maxWatched) {
      this.#breakers.set(name, { backend, dataset, sinceMs: this.#options.clock.monotonicMs() });
    }
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#cells.clear();
    this.#datasets.clear();
    this.#breakers.clear();
  }

  #watch(cell: Cell): Cell {
    if (!this.#closed && !this.#cells.has(cell) && this.#cells.size < maxWatched) {
      this.#cells.set(cell, { cell, last: snapshotOf(cell), idleTicks: 0 });
    }
    return cell;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(this.#tickMs, () => {
      try {
        this.#tick();
      } catch (error) {
        const { logger } = this.#options;
        logger.error({ err: error }, 'the guardrail could not look at what was counted');
      }
      this.#schedule();
    });
  }

  #tick(): void {
    for (const watched of this.#cells.values()) this.#count(watched);
    for (const [name, dataset] of this.#datasets) {
      this.#pass(dataset);
      // What was learnt of the legacy leg is kept while there is room.
      if (dataset.idleTicks > ticksAWindow && this.#datasets.size > maxWatched / 2)
        this.#datasets.delete(name);
    }
    this.#judgeBreakers();
    this.#judgeMemory();
  }

  #count(watched: WatchedCell): void {
    const { cell, last } = watched;
    const now = snapshotOf(cell);
    const calls = now.calls - last.calls;
    const [pooled, legacy] = [
      timedSince(now.pooled, last.pooled),
      timedSince(now.legacy, last.legacy),
    ];
    watched.last = now;
    watched.idleTicks = calls + pooled.count + legacy.count > 0 ? 0 : watched.idleTicks + 1;
    if (watched.idleTicks > 2 * ticksAWindow) this.#cells.delete(cell);
    if (watched.idleTicks > 0) return;
    if (cell.stage !== 'legacy') this.#pooledBackends.set(cell.backend, 0);
    const dataset = this.#dataset(cell.backend, cell.dataset);
    const operation = operationOf(dataset, cell.operation);
    operation.legacy = add(operation.legacy, legacy);
    // A shadow is slow by design: it has little room, and nobody waits for it.
    if (routes[cell.stage].read.answers === 'legacy') {
      dataset.legacy.calls += calls;
      dataset.legacy.failed += now.failed - last.failed;
      return;
    }
    dataset.tick.calls += calls;
    dataset.tick.failed += now.failed - last.failed;
    operation.tick = add(operation.tick, pooled);
  }

  #pass(dataset: WatchedDataset): void {
    const { tick, answered, operations } = dataset;
    answered.push(tick.calls, tick.failed);
    dataset.idleTicks = tick.calls > 0 ? 0 : dataset.idleTicks + 1;
    dataset.tick = { calls: 0, failed: 0 };
    for (const operation of operations.values()) {
      operation.pooled.push(operation.tick.count, operation.tick.sumMs);
      operation.tick = nothing;
    }
    if (this.#options.shared !== undefined) this.#share(dataset, this.#options.shared);
    if (tick.calls > 0) this.#judge(dataset);
  }

  /** Says what this process has of a key, and judges its mismatches by all processes'. */
  #share(dataset: WatchedDataset, shared: SharedWindows): void {
    const { guardrail } = this.#options;
    const { backend, dataset: name } = dataset;
    const target = callTarget(name);
    const figures = figuresOf(dataset, guardrail.recentMismatches(backend, target));
    if (figures.c + figures.k + figures.m > 0) shared.publish(backend, name, figures);
    const all = figures.m + sumOf(shared.others(backend, name), ({ m }) => m);
    const { maxMismatches } = guardrail.options;
    if (maxMismatches === 0 || figures.m === 0 || all < maxMismatches) return;
    const reason = `${String(all)} confirmed mismatches in all processes, ${String(figures.m)} of them in this one`;
    guardrail.breach('mismatch', backend, target, reason);
  }

  #judge(dataset: WatchedDataset): void {
    const { backend, operations } = dataset;
    const target = callTarget(dataset.dataset);
    const { guardrail } = this.#options;
    const slow = [...operations]
      .map(([operation, watched]) => this.#latencyBreach(dataset, operation, watched))
      .find((reason) => reason !== undefined);
    for (const [kind, reason] of [
      ['errors', this.#errorBreach(dataset) ?? this.#errorBreachInAll(dataset)],
      ['latency', slow],
    ] as const) {
      if (reason === undefined) guardrail.recovered(kind, backend, target);
      else guardrail.breach(kind, backend, target, reason);
    }
    if (!guardrail.isHeld(backend, target)) return;
    // After it is resumed, counting begins anew.
    dataset.answered.clear();
    for (const { pooled } of operations.values()) pooled.clear();
  }

  /** Where no process alone has had enough calls to judge by, all of them may. */
  #errorBreachInAll(dataset: WatchedDataset): string | undefined {
    const others = this.#options.shared?.others(dataset.backend, dataset.dataset) ?? [];
    if (others.length === 0) return undefined;
    const { answered, legacy } = dataset;
    const reason = this.#errorBreach({
      ...dataset,
      answered: {
        count: answered.count + sumOf(others, ({ c }) => c),
        total: answered.total + sumOf(others, ({ f }) => f),
      },
      legacy: {
        calls: legacy.calls + sumOf(others, ({ k }) => k),
        failed: legacy.failed + sumOf(others, ({ g }) => g),
      },
    });
    return reason === undefined
      ? undefined
      : `in ${String(sumOf(others, ({ n = 1 }) => n) + 1)} processes, ${reason}`;
  }

  #errorBreach({
    backend,
    dataset,
    answered,
    legacy,
  }: Pick<WatchedDataset, 'backend' | 'dataset' | 'legacy'> & {
    readonly answered: Pick<TickRing, 'count' | 'total'>;
  }): string | undefined {
    const { maxErrorIncrease, minSamples } = this.#options.guardrail.options;
    const [calls, failed] = [answered.count, answered.total];
    if (maxErrorIncrease === 0 || calls < minSamples || failed / calls <= maxErrorIncrease)
      return undefined;
    // Where nothing is known of the legacy leg, its calls are taken to succeed: going back is the safe side.
    const known =
      legacy.calls >= minSamples ? legacy : (this.#options.baseline?.(backend, dataset) ?? legacy);
    if (known === 'unread') return undefined;
    const usual = known.calls === 0 ? 0 : known.failed / known.calls;
    if (failed / calls - usual <= maxErrorIncrease) return undefined;
    return (
      `${percent(failed / calls)} of ${String(calls)} calls failed on the pooled leg within ${this.#windowText()}, ` +
      `and ${percent(usual)} on the legacy leg`
    );
  }

  #latencyBreach(
    { backend, dataset }: WatchedDataset,
    operation: string,
    { pooled, legacy }: WatchedOperation,
  ): string | undefined {
    const { maxLatencyRatio, latencyFloorMs, minSamples } = this.#options.guardrail.options;
    const others =
      pooled.count >= minSamples
        ? []
        : (this.#options.shared?.others(backend, dataset) ?? []).map(
            ({ o }) => o[operation] ?? ([0, 0, 0, 0] as const),
          );
    const count = pooled.count + sumOf(others, ([calls]) => calls);
    if (maxLatencyRatio === 0 || count < minSamples) return undefined;
    const own = pooled.medianOfMeans(others.length > 0 ? 1 : minTicksWithCalls);
    if (own === undefined) return undefined;
    // Each process by its share of the calls.
    const found =
      (own * pooled.count + sumOf(others, ([calls, medianMs]) => calls * medianMs)) / count;
    if (found <= latencyFloorMs) return undefined;
    const legacyCount = legacy.count + sumOf(others, ([, , calls]) => calls);
    const known =
      legacyCount >= minSamples
        ? { p90Ms: (legacy.sumMs + sumOf(others, ([, , , ms]) => ms)) / legacyCount }
        : this.#options.baseline?.(backend, dataset, operation);
    const usual = known === 'unread' ? undefined : known?.p90Ms;
    if (usual === undefined || found <= usual * maxLatencyRatio || found - usual <= latencyFloorMs)
      return undefined;
    return (
      `${operation} takes ${found.toFixed(1)} ms on the pooled leg (${String(count)} calls within ` +
      `${this.#windowText()}), and ${usual.toFixed(1)} ms on the legacy leg`
    );
  }

  #judgeBreakers(): void {
    const { guardrail, clock } = this.#options;
    const { maxBreakerOpenMs } = guardrail.options;
    if (maxBreakerOpenMs === 0) return;
    for (const { backend, dataset, sinceMs } of this.#breakers.values()) {
      const openMs = clock.monotonicMs() - sinceMs;
      if (openMs < maxBreakerOpenMs) continue;
      guardrail.breach(
        'breaker',
        backend,
        callTarget(dataset),
        `the circuit breaker of its pools has been open for ${(openMs / 1_000).toFixed(0)} s: no connection can be had`,
      );
    }
  }

  #judgeMemory(): void {
    const { guardrail, memoryShare = shareOfMemory } = this.#options;
    const { maxMemoryShare } = guardrail.options;
    if (maxMemoryShare === 0) return;
    const share = memoryShare();
    this.#ticksOfFullMemory = share > maxMemoryShare ? this.#ticksOfFullMemory + 1 : 0;
    for (const [backend, ticks] of this.#pooledBackends) {
      if (this.#ticksOfFullMemory === 0) guardrail.recovered('memory', backend, allKeys);
      if (ticks >= ticksAWindow) this.#pooledBackends.delete(backend);
      else this.#pooledBackends.set(backend, ticks + 1);
    }
    if (this.#ticksOfFullMemory < ticksOfFullMemory) return;
    for (const backend of this.#pooledBackends.keys()) {
      guardrail.breach(
        'memory',
        backend,
        allKeys,
        `this process takes ${percent(share)} of the memory that it may have`,
      );
    }
  }

  #dataset(backend: string, dataset: string): WatchedDataset {
    const name = `${backend}\0${dataset}`;
    let found = this.#datasets.get(name);
    if (found === undefined) {
      found = {
        backend,
        dataset,
        answered: new TickRing(ticksAWindow),
        tick: { calls: 0, failed: 0 },
        legacy: { calls: 0, failed: 0 },
        operations: new Map(),
        idleTicks: 0,
      };
      this.#datasets.set(name, found);
    }
    return found;
  }

  #windowText(): string {
    return `${String(Math.round((this.#tickMs * ticksAWindow) / 1_000))} s`;
  }
}

const nothing: Timed = Object.freeze({ count: 0, sumMs: 0 });

function operationOf({ operations }: WatchedDataset, name: string): WatchedOperation {
  let found = operations.get(name);
  if (found === undefined) {
    found = { pooled: new TickRing(ticksAWindow), tick: nothing, legacy: nothing };
    operations.set(name, found);
  }
  return found;
}

function snapshotOf({ calls, failed, fallbacks, pooledLatency, legacyLatency }: Cell): Snapshot {
  return {
    calls,
    failed: failed + fallbacks,
    pooled: timedOf(pooledLatency),
    legacy: timedOf(legacyLatency),
  };
}

function timedOf({
  count,
  meanMs,
}: {
  readonly count: number;
  readonly meanMs: number | undefined;
}): Timed {
  return { count, sumMs: count * (meanMs ?? 0) };
}

/** Histograms are replaced each hour: one that counts less than before began anew. */
function timedSince(now: Timed, last: Timed): Timed {
  return now.count < last.count
    ? now
    : { count: now.count - last.count, sumMs: Math.max(0, now.sumMs - last.sumMs) };
}

function add(a: Timed, b: Timed): Timed {
  return { count: a.count + b.count, sumMs: a.sumMs + b.sumMs };
}

function figuresOf(
  { answered, legacy, operations }: WatchedDataset,
  mismatches: number,
): WindowFigures {
  const used = [...operations].filter(([, { pooled }]) => pooled.count > 0);
  return {
    c: answered.count,
    f: answered.total,
    k: legacy.calls,
    g: legacy.failed,
    m: mismatches,
    o: Object.fromEntries(
      used.map(
        ([
          name,
          {
            pooled,
            legacy: { count, sumMs },
          },
        ]) => [
          name,
          [pooled.count, rounded(pooled.medianOfMeans(1) ?? 0), count, rounded(sumMs)] as const,
        ],
      ),
    ),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

function sumOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
