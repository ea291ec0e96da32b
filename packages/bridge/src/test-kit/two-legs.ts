import {
  type Leg,
  type LegName,
  type OperationTable,
  type ShadowLeg,
  type Stage,
  systemClock,
} from '@changeover/core';
import { BackendRouter, type BackendRouterOptions } from '../call/backend-router.ts';
import {
  createStaticStageSource,
  type StaticStageSource,
} from '../stages/flags/static-stage-source.ts';
import type { Logger } from '../log.ts';
import { Cell, ShapeCounts, type ShapeKey, shapeKeyText } from '../recorder/cell.ts';
import type { Counted } from '../recorder/cell-book.ts';
import type { ComparisonSample, Recorder } from '../recorder/recorder.ts';
import type { RelianceSeen } from '../recorder/reliance-book.ts';
import type { RuleUseSource } from '../recorder/rule-uses.ts';

/** An API of one's own, as someone might bridge it: nothing of it is known to the router but its table. */
export interface Notes {
  read(dataset: string, key?: string): Promise<unknown>;
  list(dataset: string): Promise<Record<string, unknown>[]>;
  add(dataset: string, note: string): Promise<number>;
  work<T>(dataset: string, run: () => Promise<T>): Promise<T>;
  all(): Promise<string[]>;
  drop(dataset: string): Promise<void>;
  close(): Promise<void>;
}

/** The table that a user writes. */
export const notesOperations: OperationTable<Notes> = {
  read: { kind: 'read' },
  list: { kind: 'read', result: 'rows' },
  add: { kind: 'write', comparison: 'none' },
  work: { kind: 'write', comparison: 'none' },
  all: { kind: 'read', key: () => undefined },
  drop: { kind: 'write', comparison: 'none', removesKey: true },
  close: { kind: 'control' },
};

/** A leg that notes its calls and does what the test says. */
export class NotesLeg implements Leg<Notes> {
  readonly name: LegName;
  readonly api: Notes;
  readonly log: string[];
  /** What each operation does; by default reads answer `answer` and writes count. */
  readonly does: Partial<Record<keyof Notes, (...args: readonly unknown[]) => unknown>> = {};
  answer: unknown = 'the answer';
  shadow: ShadowLeg | undefined = undefined;
  /** What it says of the data's state. */
  token: string | undefined = undefined;
  readonly state = (): Promise<string | undefined> => Promise.resolve(this.token);
  endable?: NonNullable<Leg<Notes>['endable']>;
  keepsOrder?: NonNullable<Leg<Notes>['keepsOrder']>;

  constructor(name: LegName, log: string[]) {
    this.name = name;
    this.log = log;
    const call =
      (operation: keyof Notes, usual: (...args: readonly unknown[]) => unknown) =>
      async (...args: readonly unknown[]): Promise<never> => {
        this.log.push(`${this.name} ${operation}`);
        return (await (this.does[operation] ?? usual)(...args)) as never;
      };
    this.api = {
      read: call('read', () => this.answer),
      list: call('list', () => this.answer),
      add: call('add', () => 1),
      work: call('work', (_dataset, run) => (run as () => Promise<unknown>)()),
      all: call('all', () => ['a']),
      drop: call('drop', () => undefined),
      close: call('close', () => undefined),
    };
  }

  async closedWhile<T>(dataset: string, work: () => Promise<T>): Promise<T> {
    this.log.push(`${this.name} closes ${dataset}`);
    const result = await work();
    this.log.push(`${this.name} may open ${dataset}`);
    return result;
  }
}

/** A recorder that keeps everything where the test can see it. */
export class SeenRecorder implements Recorder {
  readonly cells = new Map<string, Cell>();
  readonly shapes = new Map<string, ShapeCounts>();
  readonly samples: ComparisonSample[] = [];
  readonly rules: RuleUseSource[] = [];
  readonly seenReliance: RelianceSeen[] = [];
  readonly events: { readonly kind: string; readonly fields: Readonly<Record<string, unknown>> }[] =
    [];

  cell(backend: string, dataset: string, operation: string, stage: Stage): Cell {
    const name = `${dataset} ${operation} ${stage}`;
    const cell = this.cells.get(name) ?? new Cell(backend, dataset, operation, stage);
    this.cells.set(name, cell);
    return cell;
  }

  shape(key: ShapeKey): ShapeCounts {
    const name = shapeKeyText(key);
    const shape = this.shapes.get(name) ?? new ShapeCounts(key);
    this.shapes.set(name, shape);
    return shape;
  }

  sample(sample: ComparisonSample): void {
    this.samples.push(sample);
  }

  relied(seen: RelianceSeen): void {
    this.seenReliance.push(seen);
  }

  reliance(): never {
    throw new Error('not asked for here');
  }

  counted(): readonly Counted[] {
    return [];
  }

  answerRepeats(): () => void {
    // Nobody asks here.
    return () => undefined;
  }

  watchRules(source: RuleUseSource): () => void {
    this.rules.push(source);
    return () => undefined;
  }

  event(kind: string, fields: Readonly<Record<string, unknown>>): void {
    this.events.push({ kind, fields });
  }

  summary(): never {
    throw new Error('not asked for here');
  }

  summaryInSteps(): never {
    throw new Error('not asked for here');
  }

  refreshKeys(): 'current' {
    return 'current';
  }

  refresh(): 'current' {
    return 'current';
  }

  flush(): void {
    /* nothing is stored */
  }
  flushAll(): void {
    /* nothing is stored */
  }
  close(): void {
    /* nothing is open */
  }
}

/** Keeps what was logged. */
export class SeenLogger implements Logger {
  readonly lines: { readonly level: string; readonly fields: object; readonly message: string }[] =
    [];
  readonly debug = this.#line('debug');
  readonly info = this.#line('info');
  readonly warn = this.#line('warn');
  readonly error = this.#line('error');

  #line(level: string): (fields: object, message: string) => void {
    return (fields, message) => {
      this.lines.push({ level, fields, message });
    };
  }
}

/** A router with all that it was given. */
export interface TwoLegs {
  readonly log: string[];
  readonly legacy: NotesLeg;
  readonly pooled: NotesLeg;
  readonly recorder: SeenRecorder;
  readonly logger: SeenLogger;
  readonly stages: StaticStageSource;
  readonly router: BackendRouter<Notes>;
  readonly api: Notes;
  cell(operation: string, at?: Stage, dataset?: string): Cell;
}

/** A router over two such legs at one stage. */
export function twoLegs(stage: Stage, more: Partial<BackendRouterOptions<Notes>> = {}): TwoLegs {
  const log: string[] = [];
  const legacy = new NotesLeg('legacy', log);
  const pooled = new NotesLeg('pooled', log);
  const recorder = new SeenRecorder();
  const logger = new SeenLogger();
  const stages = createStaticStageSource(() => stage);
  const router = new BackendRouter<Notes>({
    backend: 'notes',
    legacy,
    pooled,
    operations: notesOperations,
    stages,
    recorder,
    logger,
    clock: systemClock,
    ...more,
  });
  const cell = (operation: string, at: Stage = stage, dataset = 'd'): Cell =>
    recorder.cell('notes', dataset, operation, at);
  return { log, legacy, pooled, recorder, logger, stages, router, api: router.api, cell };
}
