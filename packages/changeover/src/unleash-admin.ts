import { type Engine, type Stage, stages } from '@changeover/core';
import { stageFlag } from '@changeover/router';
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

interface Strategy {
  readonly id: string;
  readonly title: string | null;
  readonly sortOrder: number;
  readonly variants: readonly { readonly name: string; readonly payload?: unknown }[];
}

/** A strategy as a flags file has it. */
export interface WantedStrategy {
  readonly name: string;
  readonly title?: string | undefined;
  readonly variants?: readonly { readonly name: string; readonly weight: number }[] | undefined;
  readonly segments?: readonly unknown[] | undefined;
}

const answerTimeoutMs = 5_000;

/**
 * Turns flags on an Unleash server, so that who looks there sees what the ledger decided. A dataset gets a strategy of its own
 * before all others, an engine's flag is turned off or on in its environment.
 *
 * Every function rejects where the server can't be asked or refuses; the ledger holds in either case.
 */
export class UnleashAdmin {
  readonly #options: UnleashAdminOptions;

  constructor(options: UnleashAdminOptions) {
    this.#options = options;
  }

  /** Holds a dataset, or with the empty name the whole engine: its flag then asks for `stage`, or for nothing. */
  async hold(engine: Engine, dataset: string, stage: Stage): Promise<void> {
    if (dataset === '') await this.#ask('POST', `${this.#environment(engine)}/off`);
    else await this.#put(engine, holdTitle(dataset), dataset, stage);
  }

  /** Ends {@link hold}. */
  async resume(engine: Engine, dataset: string): Promise<void> {
    if (dataset === '') {
      await this.#ask('POST', `${this.#environment(engine)}/on`);
      return;
    }
    const found = (await this.#strategies(engine)).filter(({ title }) => title === holdTitle(dataset));
    for (const { id } of found) await this.#ask('DELETE', `${this.#environment(engine)}/strategies/${encodeURIComponent(id)}`);
  }

  /** Puts a dataset on a stage, as it stands without a hold. */
  async move(engine: Engine, dataset: string, stage: Stage): Promise<void> {
    await this.#put(engine, moveTitle(dataset), dataset, stage);
  }

  /** Whether a flag is on in its environment. Rejects where there is none of that name. */
  async isOn(flag: string): Promise<boolean> {
    return (await this.#ask('GET', this.#path(flag)) as { readonly enabled?: unknown }).enabled === true;
  }

  async turn(flag: string, on: boolean): Promise<void> {
    await this.#ask('POST', `${this.#path(flag)}/${on ? 'on' : 'off'}`);
  }

  /**
   * Gives an engine's flag other strategies. They are written behind the present ones, where they decide only what those leave
   * open, and come before them in one step, so that no dataset ever sees half of them. Holds stay before all others.
   *
   * Where it rejects, they are taken away again, and the flag asks for what it asked for.
   *
   * @returns what could not be tidied up afterwards, for people; it decides nothing.
   */
  async replace(engine: Engine, wanted: readonly WantedStrategy[]): Promise<string[]> {
    const path = `${this.#environment(engine)}/strategies`;
    const present = await this.#strategies(engine);
    const behind = Math.max(0, ...present.map(({ sortOrder }) => sortOrder)) + 1;
    const made: string[] = [];
    try {
      for (const [at, strategy] of wanted.entries()) {
        made.push((await this.#ask('POST', path, { ...withWeightTypes(strategy), sortOrder: behind + at }) as Strategy).id);
      }
      const [holds, others] = [present.filter(isHold), present.filter((one) => !isHold(one))];
      const order = [...holds.map(({ id }) => id), ...made, ...others.map(({ id }) => id)];
      await this.#ask('POST', `${path}/set-sort-order`, order.map((id, sortOrder) => ({ id, sortOrder })));
      return await this.#remove(path, others.map(({ id }) => id));
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
        left.push(`strategy ${id} decides nothing any more and could not be removed: ${(error as Error).message}`);
      });
    }
    return left;
  }

  async #put(engine: Engine, title: string, dataset: string, stage: Stage): Promise<void> {
    const all = await this.#strategies(engine);
    const own = all.find((strategy) => strategy.title === title);
    const variant = `${String(stages.indexOf(stage))}-${stage}`;
    const payload = all.flatMap(({ variants }) => variants).find(({ name }) => name === variant)?.payload;
    const body = {
      name: 'flexibleRollout', title,
      // A hold comes before whatever else there is.
      sortOrder: own?.sortOrder ?? Math.min(0, ...all.map(({ sortOrder }) => sortOrder)) - 1,
      parameters: { rollout: '100', stickiness: 'dataset', groupId: stageFlag(engine) },
      constraints: [{ contextName: 'dataset', operator: 'IN', values: [dataset] }],
      variants: [{
        name: variant, weight: 1_000, weightType: 'variable', stickiness: 'dataset', ...payload === undefined ? {} : { payload },
      }],
    };
    const path = `${this.#environment(engine)}/strategies`;
    if (own === undefined) await this.#ask('POST', path, body);
    else await this.#ask('PUT', `${path}/${encodeURIComponent(own.id)}`, body);
  }

  async #strategies(engine: Engine): Promise<readonly Strategy[]> {
    return await this.#ask('GET', `${this.#environment(engine)}/strategies`) as readonly Strategy[];
  }

  #environment(engine: Engine): string {
    return this.#path(stageFlag(engine));
  }

  #path(flag: string): string {
    const { project = 'default', environment = 'development' } = this.#options;
    return `projects/${encodeURIComponent(project)}/features/${flag}/environments/${encodeURIComponent(environment)}`;
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const { url, token } = this.#options;
    const [response, text] = await fetchText(`${url.replace(/\/$/, '')}/admin/${path}`, answerTimeoutMs, {
      method, headers: { authorization: token, 'content-type': 'application/json' },
      ...body === undefined ? {} : { body: JSON.stringify(body) },
    });
    if (!response.ok) throw new Error(`the flag server refused (${String(response.status)}): ${refusal(text)}`);
    if (text === '') return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new Error(`${new URL(url).origin} answered what is no JSON: is UNLEASH_URL right? It ends in /api`, { cause: error });
    }
  }
}

/** The server makes up the weights of all that is `variable`: one takes what the fixed ones leave. */
function withWeightTypes({ variants = [], ...strategy }: WantedStrategy): object {
  const last = variants.findLastIndex(({ weight }) => weight > 0);
  return { ...strategy, variants: variants.map((one, at) => ({ ...one, weightType: at === last ? 'variable' : 'fix' })) };
}

function isHold({ title }: Strategy): boolean {
  return title?.startsWith(holdTitle('')) === true;
}

function holdTitle(dataset: string): string {
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
