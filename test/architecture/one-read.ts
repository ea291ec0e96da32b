import { readFileSync } from 'node:fs';
import { type Debugger, type Profiler, Session } from 'node:inspector';
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  bridgeOf,
  createBridge,
  createStaticStageSource,
  read,
  silentLogger,
} from '@changeover/bridge';
import { renderReport } from '@changeover/operate/report';
import { root } from './source-files.ts';

/** What one shadowed read passes through. Files are named from `packages/`. */
export interface OneRead {
  /** From the call until its caller has the answer. */
  readonly call: readonly string[];
  /** From then on until the comparison has its verdict. */
  readonly background: readonly string[];
  /** What is run once more for one more operation in the recorder's data, and in the page that is drawn of them. */
  readonly recorded: readonly string[];
  readonly drawn: readonly string[];
  /** Calls of one package by another in the background, the clock's left out, as `from -> to`. */
  readonly crossings: readonly string[];
  /** How often the clock was read there. */
  readonly clockReadings: number;
}

/** A function that ran, by its file and where it begins there. */
interface Ran {
  readonly file: string;
  readonly offset: number;
  readonly count: number;
}

const packages = `${root}${sep}packages${sep}`;

/** Reads that are walked, for what a bridge does now and then may fall into one: what each of them passes through counts. */
const sameReads = 15;

class Walk {
  readonly #session = new Session();
  readonly #scripts = new Map<string, string>();

  constructor() {
    this.#session.connect();
    this.#session.on('Debugger.scriptParsed', ({ params }) => {
      if (!this.#scripts.has(params.url)) this.#scripts.set(params.url, params.scriptId);
    });
    this.#session.post('Debugger.enable');
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  }

  /** The functions of our packages that ran since it was asked last. */
  ran(): Ran[] {
    let taken: Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      taken = result;
    });
    return taken.flatMap(({ url, functions }) => {
      if (!url.startsWith('file:') || !fileURLToPath(url).startsWith(packages)) return [];
      const file = nameOf(fileURLToPath(url));
      return functions.flatMap(({ functionName, ranges: [range] }) =>
        // This program waits for the comparison; no part of one does.
        range === undefined || range.count === 0 || functionName === 'idle'
          ? []
          : [{ file, offset: range.startOffset, count: range.count }],
      );
    });
  }

  /** Tells `onEntered` of each function that is entered from now on: a breakpoint whose condition tells and never holds. */
  watch(functions: readonly Ran[], onEntered: (stack: string) => void): void {
    (globalThis as { walkEntered?: (stack: string) => void }).walkEntered = onEntered;
    for (const { file, offset } of functions) {
      const [url, scriptId] =
        [...this.#scripts].find(([one]) => one.endsWith(`/packages/${file}`)) ?? [];
      if (url === undefined || scriptId === undefined) throw new Error(`${file} was not loaded`);
      const lines = readFileSync(fileURLToPath(url), 'utf8').slice(0, offset).split('\n');
      const start = {
        scriptId,
        lineNumber: lines.length - 1,
        columnNumber: (lines.at(-1) ?? '').length + 1,
      };
      let locations: Debugger.BreakLocation[] = [];
      this.#session.post(
        'Debugger.getPossibleBreakpoints',
        { start, restrictToFunction: true },
        (_error, found) => {
          locations = found.locations;
        },
      );
      const [location = start] = locations;
      this.#session.post('Debugger.setBreakpoint', {
        location,
        condition: '(globalThis.walkEntered(new Error().stack), false)',
      });
    }
  }
}

function nameOf(path: string): string {
  return relative(packages, path).split(sep).join('/');
}

function filesOf(functions: readonly Ran[]): string[] {
  return [...new Set(functions.map(({ file }) => file))].sort();
}

/** What is in each list. */
function inEach([first = [], ...others]: readonly (readonly string[])[]): string[] {
  return first.filter((file) => others.every((list) => list.includes(file)));
}

/** What ran more often the second time. */
function more(before: readonly Ran[], after: readonly Ran[]): Ran[] {
  const counts = new Map(before.map(({ file, offset, count }) => [`${file} ${offset}`, count]));
  return after.filter(({ file, offset, count }) => count > (counts.get(`${file} ${offset}`) ?? 0));
}

const inFile = /[/\\]packages[/\\]([^:)]+):\d+:\d+/;

/** The files of two packages of which a stack shows one's function called by the other's, as `from -> to`; undefined within one. */
function crossingOf(stack: string): string | undefined {
  // The first line is the error's, the second the breakpoint's condition. A generator's `next` and the like stand between two of ours.
  const [to, from] = stack
    .split('\n')
    .slice(2)
    .flatMap((frame) => inFile.exec(frame)?.[1]?.replaceAll('\\', '/') ?? []);
  if (from === undefined || to === undefined) return undefined;
  return from.split('/')[0] === to.split('/')[0] ? undefined : `${from} -> ${to}`;
}

class Notes {
  async list(): Promise<{ id: number }[]> {
    return [{ id: 1 }];
  }
  async find(): Promise<{ id: number }[]> {
    return [{ id: 2 }];
  }
  async search(): Promise<{ id: number }[]> {
    return [{ id: 3 }];
  }
  async recent(): Promise<{ id: number }[]> {
    return [{ id: 4 }];
  }
}

async function walkOneRead(): Promise<OneRead> {
  const walk = new Walk();
  const notes = createBridge({
    name: 'notes',
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => 'shadow'),
    legacy: () => new Notes(),
    pooled: () => new Notes(),
    operations: { list: read.rows(), find: read.rows(), search: read.rows(), recent: read.rows() },
    key: () => 'home',
  });
  const bridge = bridgeOf(notes);
  /** One read, once more where a busy machine had no time to compare it. */
  const compared = async (name: keyof Notes): Promise<[Ran[], Ran[]]> => {
    for (;;) {
      const before = bridge.recorder.summary().totals.match;
      walk.ran();
      await notes[name]();
      const call = walk.ran();
      await bridge.idle();
      const background = walk.ran();
      if (bridge.recorder.summary().totals.match > before) return [call, background];
    }
  };
  const drawn = (): [Ran[], Ran[]] => {
    walk.ran();
    const data = bridge.recorder.summary();
    const recorded = walk.ran();
    renderReport({ data }, 'html');
    return [recorded, walk.ran()];
  };
  // What is decided once is not of every read.
  for (let call = 0; call < 3; call += 1) await compared('list');
  const reads: [Ran[], Ran[]][] = [];
  for (let at = 0; at < sameReads; at += 1) reads.push(await compared('list'));
  drawn();
  // A latency beyond all before it makes a chart wider: what each of several operations more runs again is of an operation.
  const further: [Ran[], Ran[]][] = [];
  let before = drawn();
  for (const name of ['find', 'search', 'recent'] as const) {
    await compared(name);
    const after = drawn();
    further.push([more(before[0], after[0]), more(before[1], after[1])]);
    before = after;
  }
  const stacks: string[] = [];
  Error.stackTraceLimit = 8;
  walk.watch(reads.at(-1)?.[1] ?? [], (stack) => stacks.push(stack));
  const crossed: string[][] = [];
  while (crossed.length < sameReads) {
    const before = bridge.recorder.summary().totals.match;
    await notes.list();
    stacks.length = 0;
    await bridge.idle();
    const crossings = stacks.map(crossingOf).filter((crossing) => crossing !== undefined);
    // Of one that a busy machine had no time to compare there is nothing to see.
    if (bridge.recorder.summary().totals.match > before) crossed.push(crossings);
  }
  await bridge.close();
  const [crossings = []] = crossed.sort((a, b) => a.length - b.length);
  const isClock = (crossing: string): boolean => crossing.endsWith('-> core/src/clock.ts');
  return {
    call: inEach(reads.map(([call]) => filesOf(call))),
    background: inEach(reads.map(([, background]) => filesOf(background))),
    recorded: inEach(further.map(([recorded]) => filesOf(recorded))),
    drawn: inEach(further.map(([, page]) => filesOf(page))),
    crossings: crossings.filter((crossing) => !isClock(crossing)),
    clockReadings: crossings.filter(isClock).length,
  };
}

process.stdout.write(`${JSON.stringify(await walkOneRead())}\n`);
