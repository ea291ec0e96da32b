import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Stage, keyTarget } from '@changeover/core';
import { checkFlags, killSwitchFlag, stageFlag } from '@changeover/bridge';
import { fetchText } from '@changeover/bridge';
import { holdTitle } from '@changeover/bridge';
import { planned, plannedMoves, recordFlags } from './apply-flags.ts';
import type { ChangeOptions } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import type { Migration } from './migration.ts';
import { answerChange, showPlan } from './plan.ts';
import { replaceFile } from './replace-file.ts';
import type { Terminal } from './terminal.ts';

const answerTimeoutMs = 5_000;

type Json = Record<string, unknown>;

/** Writes what the flag server says into the flags file: `changeover flags pull`. */
export async function pullFlags(
  migration: Migration,
  path: string,
  terminal: Terminal,
  options: ChangeOptions,
): Promise<void> {
  const { unleashUrl, unleashToken } = migration.place;
  if (unleashUrl === undefined || unleashToken === undefined) {
    throw new CommandError(
      'There is no flag server to pull from: set UNLEASH_URL (it ends in /api) and UNLEASH_TOKEN.',
      exitCodes.usage,
    );
  }
  const document = asFile(await fetchFlags(unleashUrl, unleashToken));
  nameHolds(migration, list(document['features']));
  const [problem] = checkFlags(document, 'file').problems;
  if (problem !== undefined)
    throw new CommandError(
      `What ${unleashUrl} says can't be used: ${problem.message}. Nothing was changed.`,
    );
  const text = `${JSON.stringify(document, null, 2)}\n`;
  const temporaryPath = `${path}.${randomUUID().slice(0, 8)}.pulled`;
  let moves;
  try {
    writeFileSync(temporaryPath, text, { mode: 0o600 });
    moves = await plannedMoves(migration, temporaryPath);
  } catch (error) {
    throw new CommandError(`${path} can't be written: ${(error as Error).message}`);
  } finally {
    rmSync(temporaryPath, { force: true });
  }
  const plan = moves.map(planned);
  if (options.plan) {
    answerChange(terminal, { plan, showPlan: true, text: ['Nothing was changed.'] });
    return;
  }
  showPlan(terminal, plan);
  replaceFile(path, text);
  const change = await recordFlags(
    migration,
    moves,
    `${path} was pulled from ${unleashUrl}`,
    text,
    options,
  );
  answerChange(terminal, {
    plan,
    change,
    text: [`${path} has the flags of ${unleashUrl} now.`],
    more: { flagsFile: path },
  });
}

async function fetchFlags(url: string, token: string): Promise<Json> {
  const address = `${url.replace(/\/$/, '')}/client/features`;
  try {
    const [response, text] = await fetchText(
      address,
      answerTimeoutMs,
      // Without the specification's version the server writes segments into the strategies, and their names are lost.
      {
        headers: {
          authorization: token,
          accept: 'application/json',
          'unleash-client-spec': '5.2.0',
        },
      },
    );
    if (!response.ok)
      throw new Error(
        `it answered with status ${String(response.status)}${whyOf(response.status)}`,
      );
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new CommandError(
      `${address} gave no flags: ${(error as Error).message}. Nothing was changed.`,
    );
  }
}

function whyOf(status: number): string {
  return status === 401 || status === 403
    ? ': UNLEASH_TOKEN is none that it knows, or of another environment'
    : '';
}

/** This project's flags with the fields that a flags file may have: a server sends more with each version. */
function asFile({ features, segments }: Json): Json {
  const all = list(features);
  const own = all.filter(
    ({ name }) => name === killSwitchFlag || String(name).startsWith(`${killSwitchFlag}.`),
  );
  const parents = new Set(
    own.flatMap(({ dependencies }) => list(dependencies).map(({ feature }) => feature)),
  );
  const pulled = all
    .filter((feature) => own.includes(feature) || parents.has(feature['name']))
    .map(asFileFlag)
    .sort((one, other) => (String(one['name']) < String(other['name']) ? -1 : 1));
  const used = new Set(
    pulled
      .flatMap(({ strategies }) => list(strategies))
      .flatMap((strategy) => (strategy['segments'] ?? []) as unknown[]),
  );
  return {
    version: 2,
    features: pulled,
    segments: list(segments)
      .filter(({ id }) => used.has(id))
      .sort((one, other) => Number(one['id']) - Number(other['id']))
      .map((segment) => ({
        ...pick(segment, ['id', 'name']),
        constraints: list(segment['constraints']).map(asFileConstraint),
      })),
  };
}

function asFileFlag(feature: Json): Json {
  return {
    ...pick(feature, ['name', 'type', 'description', 'enabled']),
    strategies: list(feature['strategies']).map((strategy) => ({
      ...pick(strategy, ['name', 'title', 'disabled', 'parameters', 'segments']),
      constraints: list(strategy['constraints']).map(asFileConstraint),
      variants: list(strategy['variants']).map((variant) =>
        pick(variant, ['name', 'weight', 'stickiness', 'payload']),
      ),
    })),
    ...(feature['dependencies'] === undefined
      ? {}
      : {
          // A flag with two segments comes with each of its dependencies twice (unleash-server 7.6).
          dependencies: [
            ...new Map(
              list(feature['dependencies']).map((dependency) => [
                dependency['feature'],
                pick(dependency, ['feature', 'enabled', 'variants']),
              ]),
            ).values(),
          ],
        }),
  };
}

/** The server tells programs no titles, and by its title a hold is known when the file is applied: it isn't the file's. */
function nameHolds(migration: Migration, features: readonly Json[]): void {
  for (const backend of migration.backends) {
    const strategies = list(
      features.find(({ name }) => name === stageFlag(backend))?.['strategies'],
    );
    for (const key of migration.keys(backend)) {
      const line = migration.lastLine(backend, keyTarget(key));
      const hold =
        line?.held === true ? strategies.find((one) => holdsAt(one, key, line.to)) : undefined;
      if (hold !== undefined) hold['title'] = holdTitle(key);
    }
  }
}

function holdsAt({ constraints, variants }: Json, key: string, stage: Stage): boolean {
  const [[constraint, ...others], [variant, ...otherVariants]] = [
    list(constraints),
    list(variants),
  ];
  return (
    others.length + otherVariants.length === 0 &&
    constraint?.['contextName'] === 'dataset' &&
    constraint['operator'] === 'IN' &&
    isDeepStrictEqual(constraint['values'], [key]) &&
    String(variant?.['name']).endsWith(`-${stage}`)
  );
}

function asFileConstraint(constraint: Json): Json {
  return pick(constraint, [
    'contextName',
    'operator',
    'inverted',
    'values',
    'value',
    'caseInsensitive',
  ]);
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

function pick(object: Json, fields: readonly string[]): Json {
  return Object.fromEntries(
    fields
      .filter((field) => object[field] !== undefined && object[field] !== null)
      .map((field) => [field, object[field]]),
  );
}
