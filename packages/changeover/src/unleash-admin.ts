import { type Engine, type Stage, stages } from '@changeover/core';
import { stageFlag } from '@changeover/router';

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
    const { project = 'default', environment = 'development' } = this.#options;
    return `projects/${encodeURIComponent(project)}/features/${stageFlag(engine)}/environments/${encodeURIComponent(environment)}`;
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const { url, token } = this.#options;
    const response = await fetch(`${url.replace(/\/$/, '')}/admin/${path}`, {
      method, headers: { authorization: token, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(answerTimeoutMs), ...body === undefined ? {} : { body: JSON.stringify(body) },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the flag server refused (${String(response.status)}): ${refusal(text)}`);
    return text === '' ? undefined : JSON.parse(text) as unknown;
  }
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
