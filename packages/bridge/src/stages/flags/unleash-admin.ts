import { flagDataset } from './flag-layer.ts';
import { type Stage, stages, type Target } from '@changeover/core';
import { stageFlag } from './flags-document.ts';
import { fetchText } from './fetch-text.ts';

/** Where flags can be changed. */
export interface UnleashAdminOptions {
  /** The server's API: `https://unleash.example.com/api`. */
  readonly url: string;
  /** A token of the admin API that may update strategies and environments of the project. */
  readonly token: string;
  /** Default: `default`. */
  readonly project?: string | undefined;
  /** The environment whose flags the programs read. Default: `development`. */
  readonly environment?: string | undefined;
}

/** A strategy as the server has it. */
export interface ServerStrategy extends WantedStrategy {
  readonly id: string;
  readonly sortOrder: number;
}

/** A strategy as a flags file has it. */
export interface WantedStrategy {
  readonly name: string;
  readonly title?: string | null | undefined;
  readonly disabled?: boolean | undefined;
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
  readonly constraints?: readonly WantedConstraint[] | undefined;
  readonly variants?:
    | readonly {
        readonly name: string;
        readonly weight: number;
        readonly stickiness?: string;
        readonly payload?: unknown;
      }[]
    | undefined;
  /** The segments' numbers, which each server deals anew. */
  readonly segments?: readonly number[] | undefined;
}

/** A constraint as flags files and the server have it. */
export type WantedConstraint = Readonly<Record<string, unknown>>;

/** What a flag needs of another one to be on itself. */
export interface Dependency {
  readonly feature: string;
  /** Default: true. */
  readonly enabled?: boolean | undefined;
  readonly variants?: readonly string[] | undefined;
}

/** Constraints under a name, for all flags of a server. */
export interface Segment {
  readonly id: number;
  readonly name?: string | undefined;
  readonly constraints?: readonly WantedConstraint[] | undefined;
}

/** A flag as it is in the environment. */
export interface ServerFlag {
  readonly enabled: boolean;
  readonly strategies: readonly ServerStrategy[];
  readonly dependencies: readonly Dependency[];
}

const answerTimeoutMs = 5_000;

/**
 * Turns flags on an Unleash server, so that who looks there sees what the ledger decided. A dataset gets a strategy of its own
 * before all others, a backend's flag is turned off or on in its environment.
 *
 * Every function rejects where the server can't be asked or refuses; the ledger holds in either case.
 */
export class UnleashAdmin {
  readonly #options: UnleashAdminOptions;

  constructor(options: UnleashAdminOptions) {
    this.#options = options;
  }

  /** The one whose flags are turned. */
  get environment(): string {
    return this.#options.environment ?? 'development';
  }

  /** Holds a target: its flag then asks for `stage`, or for nothing where that is the whole backend. */
  async hold(backend: string, target: Target, stage: Stage): Promise<void> {
    if (target.kind === 'all') {
      await this.#ask('POST', `${this.#environment(backend)}/off`);
      return;
    }
    const dataset = flagDataset(target);
    await this.#put(backend, holdTitle(dataset), dataset, stage);
  }

  /** Ends {@link hold}. */
  async resume(backend: string, target: Target): Promise<void> {
    if (target.kind === 'all') {
      await this.#ask('POST', `${this.#environment(backend)}/on`);
      return;
    }
    const held = holdTitle(flagDataset(target));
    const found = (await this.#strategies(backend)).filter(({ title }) => title === held);
    for (const { id } of found)
      await this.#ask(
        'DELETE',
        `${this.#environment(backend)}/strategies/${encodeURIComponent(id)}`,
      );
  }

  /** Puts a dataset on a stage, as it stands without a hold. */
  async move(backend: string, dataset: string, stage: Stage): Promise<void> {
    await this.#put(backend, moveTitle(dataset), dataset, stage);
  }

  /** The environments of the project. Rejects where there is no such project. */
  async environments(): Promise<readonly string[]> {
    const { environments = [] } = (await this.#ask(
      'GET',
      `projects/${this.#project()}/overview`,
    )) as {
      readonly environments?: readonly { readonly environment: string }[];
    };
    return environments.map(({ environment }) => environment);
  }

  /** Undefined where the project has none of that name. */
  async flag(name: string): Promise<ServerFlag | undefined> {
    let found: {
      readonly environments?: readonly Readonly<Record<string, unknown>>[];
      readonly dependencies?: readonly Dependency[];
    };
    try {
      found = (await this.#ask('GET', this.#feature(name))) as typeof found;
    } catch (error) {
      if ((error as { readonly status?: unknown }).status === 404) return undefined;
      throw error;
    }
    const here = found.environments?.find((one) => one['name'] === this.environment);
    return {
      enabled: here?.['enabled'] === true,
      strategies: (here?.['strategies'] ?? []) as readonly ServerStrategy[],
      dependencies: found.dependencies ?? [],
    };
  }

  /** Adds a flag, which is off and has no strategies. */
  async addFlag(name: string, type: string): Promise<void> {
    await this.#ask('POST', `projects/${this.#project()}/features`, { name, type });
  }

  async addDependency(
    child: string,
    { feature, enabled = true, variants = [] }: Dependency,
  ): Promise<void> {
    await this.#ask('POST', `${this.#feature(child)}/dependencies`, {
      feature,
      enabled,
      ...(enabled ? { variants } : {}),
    });
  }

  async removeDependency(child: string, parent: string): Promise<void> {
    await this.#ask('DELETE', `${this.#feature(child)}/dependencies/${encodeURIComponent(parent)}`);
  }

  /** By name, whether strategies can be sticky by a field of the context; those that aren't there are missing. */
  async contextFields(): Promise<ReadonlyMap<string, boolean>> {
    const fields = (await this.#ask('GET', 'context')) as readonly {
      readonly name: string;
      readonly stickiness?: unknown;
    }[];
    return new Map(fields.map(({ name, stickiness }) => [name, stickiness === true]));
  }

  async addContextField(name: string): Promise<void> {
    await this.#ask('POST', 'context', { name, stickiness: true });
  }

  async segments(): Promise<readonly Segment[]> {
    return ((await this.#ask('GET', 'segments')) as { readonly segments: readonly Segment[] })
      .segments;
  }

  /** Gives its number. */
  async addSegment({ name, constraints = [] }: Segment): Promise<number> {
    return ((await this.#ask('POST', 'segments', { name, constraints })) as Segment).id;
  }

  async turn(flag: string, on: boolean): Promise<void> {
    await this.#ask('POST', `${this.#path(flag)}/${on ? 'on' : 'off'}`);
  }

  /**
   * Gives a flag other strategies. They are written behind the present ones, where they decide only what those leave
   * open, and come before them in one step, so that no dataset ever sees half of them. Holds stay before all others, and what
   * is disabled stays as it is.
   *
   * Where it rejects, they are taken away again, and the flag asks for what it asked for.
   *
   * @returns what could not be tidied up afterwards, for people; it decides nothing.
   */
  async replace(flag: string, wanted: readonly WantedStrategy[]): Promise<string[]> {
    const path = `${this.#path(flag)}/strategies`;
    const present = (await this.#ask('GET', path)) as readonly ServerStrategy[];
    const behind = Math.max(0, ...present.map(({ sortOrder }) => sortOrder)) + 1;
    const made: string[] = [];
    try {
      for (const [at, strategy] of wanted.entries()) {
        made.push(
          (
            (await this.#ask('POST', path, {
              ...withWeightTypes(strategy),
              sortOrder: behind + at,
            })) as ServerStrategy
          ).id,
        );
      }
      const others = present.filter((one) => !isHold(one) && one.disabled !== true);
      const order = [
        ...present.filter(isHold).map(({ id }) => id),
        ...made,
        ...others.map(({ id }) => id),
      ];
      await this.#ask(
        'POST',
        `${path}/set-sort-order`,
        order.map((id, sortOrder) => ({ id, sortOrder })),
      );
      return await this.#remove(
        path,
        others.map(({ id }) => id),
      );
    } catch (error) {
      await this.#remove(path, made);
      throw error;
    }
  }

  /** As many as can be; says which could not. */
  async #remove(path: string, ids: readonly string[]): Promise<string[]> {
    const left: string[] = [];
    for (const id of ids) {
      await this.#ask('DELETE', `${path}/${encodeURIComponent(id)}`).catch((error: unknown) => {
        left.push(
          `strategy ${id} decides nothing any more and could not be removed: ${(error as Error).message}`,
        );
      });
    }
    return left;
  }

  async #put(backend: string, title: string, dataset: string, stage: Stage): Promise<void> {
    const all = await this.#strategies(backend);
    const own = all.find((strategy) => strategy.title === title);
    const variant = `${String(stages.indexOf(stage))}-${stage}`;
    const payload = all
      .flatMap(({ variants = [] }) => variants)
      .find(({ name }) => name === variant)?.payload;
    const body = {
      name: 'flexibleRollout',
      title,
      // A hold comes before whatever else there is.
      sortOrder: own?.sortOrder ?? Math.min(0, ...all.map(({ sortOrder }) => sortOrder)) - 1,
      parameters: { rollout: '100', stickiness: 'dataset', groupId: stageFlag(backend) },
      constraints: [{ contextName: 'dataset', operator: 'IN', values: [dataset] }],
      variants: [
        {
          name: variant,
          weight: 1_000,
          weightType: 'variable',
          stickiness: 'dataset',
          ...(payload === undefined ? {} : { payload }),
        },
      ],
    };
    const path = `${this.#environment(backend)}/strategies`;
    if (own === undefined) await this.#ask('POST', path, body);
    else await this.#ask('PUT', `${path}/${encodeURIComponent(own.id)}`, body);
  }

  async #strategies(backend: string): Promise<readonly ServerStrategy[]> {
    return (await this.#ask(
      'GET',
      `${this.#environment(backend)}/strategies`,
    )) as readonly ServerStrategy[];
  }

  #environment(backend: string): string {
    return this.#path(stageFlag(backend));
  }

  #path(flag: string): string {
    return `${this.#feature(flag)}/environments/${encodeURIComponent(this.environment)}`;
  }

  #feature(flag: string): string {
    return `projects/${this.#project()}/features/${encodeURIComponent(flag)}`;
  }

  #project(): string {
    return encodeURIComponent(this.#options.project ?? 'default');
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const { url, token } = this.#options;
    const [response, text] = await fetchText(
      `${url.replace(/\/$/, '')}/admin/${path}`,
      answerTimeoutMs,
      {
        method,
        headers: { authorization: token, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
    );
    const { ok, status } = response;
    if (!ok)
      throw Object.assign(
        new Error(`the flag server refused (${String(status)}): ${refusal(text)}`),
        { status },
      );
    if (text === '') return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new Error(
        `${new URL(url).origin} answered what is no JSON: is UNLEASH_URL right? It ends in /api`,
        { cause: error },
      );
    }
  }
}

/** The server makes up the weights of all that is `variable`: one takes what the fixed ones leave. */
function withWeightTypes({ variants = [], ...strategy }: WantedStrategy): object {
  const last = variants.findLastIndex(({ weight }) => weight > 0);
  return {
    ...strategy,
    variants: variants.map((one, at) => ({ ...one, weightType: at === last ? 'variable' : 'fix' })),
  };
}

/** Whether a strategy is there for a hold: the ledger decides over it, no file does. */
export function isHold({ title }: WantedStrategy): boolean {
  return title?.startsWith(holdTitle('')) === true;
}

/** What a dataset's hold is called. */
export function holdTitle(dataset: string): string {
  return `changeover hold: ${dataset}`;
}

function moveTitle(dataset: string): string {
  return `changeover: ${dataset}`;
}

function refusal(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message).slice(0, 300);
  } catch {
    return 'it did not say why';
  }
}
