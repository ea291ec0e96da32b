import { digestResult } from '@changeover/compare';
import { type Leg } from '@changeover/core';
import { storageOperations } from '@changeover/engines/api';
import { type Row, StatementError, type StorageApi } from 'changeover';

/** What is wrong with one dataset on the pooled leg, and how the comparison must call it. */
export interface PlantedDefect {
  readonly dataset: string;
  readonly what: string;
  readonly expectedClass: string;
  spoil(rows: Row[]): Row[];
}

/** The defects by what they do; each is planted in a dataset of its own. */
export const plantedDefects: readonly PlantedDefect[] = [
  {
    dataset: 'demo_zipcodes',
    what: 'drops a row',
    expectedClass: 'missing-row',
    spoil: (rows) => rows.slice(0, -1),
  },
  {
    dataset: 'demo_penguins',
    what: 'rounds a number',
    expectedClass: 'value',
    spoil: (rows) => changeFirst(rows, roundNumber),
  },
  {
    dataset: 'demo_species',
    what: 'reorders rows',
    expectedClass: 'order',
    spoil: (rows) => [...rows.slice(1), ...rows.slice(0, 1)],
  },
  {
    dataset: 'demo_gapminder',
    what: 'swaps a type',
    expectedClass: 'type',
    spoil: (rows) => changeFirst(rows, swapType),
  },
  {
    dataset: 'demo_countries',
    what: 'fails',
    expectedClass: 'error',
    spoil: (): never => {
      throw new StatementError('planted: this read fails');
    },
  },
];

function changeFirst(rows: readonly Row[], change: (row: Row) => Row): Row[] {
  return rows.map((row, at) => (at === 0 ? change(row) : row));
}

function roundNumber(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'number' ? Math.round(value) + (Number.isInteger(value) ? 1 : 0) : value,
    ]),
  );
}

function swapType(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'number' ? String(value) : value,
    ]),
  );
}

/** Wraps a pooled leg so that its samples of the named datasets' own tables come out wrong, for callers and shadow alike. */
export function withDefects(
  leg: Leg<StorageApi>,
  defects: readonly PlantedDefect[],
): Leg<StorageApi> {
  const spoil = (operation: string, args: readonly unknown[], result: unknown): unknown => {
    const defect = defects.find(({ dataset }) => dataset === args[0]);
    return defect === undefined || operation !== 'readTable' || args[1] === 'activity'
      ? result
      : defect.spoil(result as Row[]);
  };
  const api = new Proxy(leg.api, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function' || typeof name !== 'string') return method;
      return async (...args: readonly unknown[]) =>
        spoil(name, args, await (method.apply(target, args) as Promise<unknown>));
    },
  });
  const { shadow } = leg;
  if (shadow === undefined) return { ...leg, name: leg.name, api };
  return {
    name: leg.name,
    api,
    ...(leg.closedWhile === undefined ? {} : { closedWhile: leg.closedWhile.bind(leg) }),
    shadow: {
      admits: () => shadow.admits(),
      ...(shadow.version === undefined
        ? {}
        : { version: (dataset: string) => shadow.version?.(dataset) }),
      ...(shadow.estimatedRehearsalMs === undefined
        ? {}
        : { estimatedRehearsalMs: (call) => shadow.estimatedRehearsalMs?.(call) }),
      ...(shadow.rehearse === undefined ? {} : { rehearse: shadow.rehearse.bind(shadow) }),
      ...(shadow.scratchWrite === undefined
        ? {}
        : { scratchWrite: shadow.scratchWrite.bind(shadow) }),
      read: async (call) => spoil(call.operation, call.args, await shadow.read(call)),
      digest: async (call) => {
        if (!defects.some(({ dataset }) => dataset === call.args[0]))
          return await shadow.digest(call);
        const definition = storageOperations[call.operation as keyof StorageApi];
        const result = spoil(call.operation, call.args, await shadow.read(call));
        return digestResult(
          result,
          definition.kind === 'read' ? (definition.result ?? 'value') : 'value',
        );
      },
    },
  };
}
