import { sessionFactsByWords, type TransactionState } from '@changeover/engines';
import type { StorageErrorFields } from '@changeover/engines/api';
import { ManualClock } from '../../../../../test/kit/manual-clock.ts';
import { Budget } from '../../budget.ts';
import { type Job, nameOf } from '../../job.ts';
import { KeepAlive } from '../../keep-alive.ts';
import { PoolBreaker } from '../../pool/pool-breaker.ts';
import { silentPoolObserver } from '../../pool/pool-observer.ts';
import { parsePoolOptions } from '../../pool/pool-options.ts';
import { Pool } from '../../pool/pool.ts';
import type { Sharing } from '../../pool/resource-source.ts';
import type { PooledSession } from '../../pooled-session.ts';
import type { CallLimit } from '../call-limit.ts';
import { PooledDataset } from '../pooled-dataset.ts';
import { RetryBudget } from '../retry-policy.ts';
import { SessionPin } from '../session-pin.ts';

/** No limit at all. */
export const unlimited: CallLimit = { signal: undefined, atMs: Infinity };

/** Where the errors of these tests happen. */
export function fieldsOf(operation?: string): StorageErrorFields {
  return { engine: 'postgresql', dataset: 'orders', operation };
}

/** A connection that answers as the test says, by default with the job's name. */
export class ScriptedSession implements PooledSession {
  readonly ran: string[] = [];
  connected = true;
  cancellable = true;
  transactionState: TransactionState = 'none';
  cancels = 0;
  cuts = 0;
  ended = 0;
  answer: (job: Job) => Promise<unknown> = (job) => Promise.resolve(nameOf(job));
  commitOutcome?: () => Job | undefined;
  giveUp?: (job: Job) => boolean;

  get usable(): boolean {
    return this.connected && this.transactionState === 'none';
  }

  run(job: Job): Promise<unknown> {
    this.ran.push(nameOf(job));
    return this.answer(job);
  }

  mayEnd(): boolean {
    return true;
  }

  async cancel(): Promise<void> {
    this.cancels += 1;
  }

  async close(): Promise<void> {
    this.connected = false;
  }

  async end(): Promise<void> {
    this.ended += 1;
    this.connected = false;
  }

  cut(): void {
    this.cuts += 1;
    this.connected = false;
  }
}

/** A pool of {@link ScriptedSession}s and the pin over it. */
export class ScriptedPool {
  readonly clock: ManualClock;
  readonly sessions: ScriptedSession[] = [];
  readonly pool: Pool<PooledSession>;

  readonly #onEmpty: () => void;
  readonly #max: number;

  constructor(
    clock: ManualClock = new ManualClock(),
    sharing?: Sharing,
    onEmpty: () => void = () => undefined,
    {
      max = 3,
      session = () => new ScriptedSession(),
    }: { readonly max?: number; readonly session?: () => ScriptedSession } = {},
  ) {
    this.clock = clock;
    this.#max = max;
    this.#onEmpty = onEmpty;
    this.pool = this.#poolOver({
      ...(sharing === undefined ? {} : { sharing }),
      open: async () => {
        const opened = session();
        this.sessions.push(opened);
        return opened;
      },
      close: (session) => session.close(),
      cut: (session) => {
        session.cut();
      },
      usable: (session) => session.usable,
      validate: async () => true,
      mayPass: () => true,
    });
  }

  pin(last: () => PooledSession | undefined): SessionPin {
    return new SessionPin({
      acquire: (signal) => this.pool.acquire({ signal, prefer: last() }),
      validate: async () => true,
      poolOf: (source) => this.#poolOver(source),
    });
  }

  #poolOver(
    source: ConstructorParameters<typeof Pool<PooledSession>>[0]['source'],
  ): Pool<PooledSession> {
    return new Pool<PooledSession>({
      name: 'scripted',
      options: parsePoolOptions({ max: this.#max }, {}, 'pools.scripted'),
      source,
      budget: new Budget(10, this.clock),
      clock: this.clock,
      random: () => 0.5,
      observer: silentPoolObserver,
      fields: {},
      onEmpty: this.#onEmpty,
    });
  }
}

/** A dataset of one pool for reads and writes. */
export function datasetOver(
  scripted: ScriptedPool,
  {
    dataset = 'orders',
    onEmpty = () => undefined,
    sharesWrites = false,
  }: {
    readonly dataset?: string;
    readonly onEmpty?: () => void;
    readonly sharesWrites?: boolean;
  } = {},
): PooledDataset {
  const { clock, pool } = scripted;
  return new PooledDataset({
    engine: 'postgresql',
    dataset,
    readers: pool,
    writers: pool,
    sharesWrites,
    session: {
      facts: sessionFactsByWords('postgresql'),
      mode: () => 'pin',
      known: () => 'none',
      isSingle: false,
      pin: (last) => scripted.pin(last),
    },
    breaker: new PoolBreaker(clock),
    retryBudget: new RetryBudget(),
    clock,
    random: () => 0.5,
    keepAlive: new KeepAlive(),
    lockWaitMs: 1_000,
    onEmpty,
  });
}
