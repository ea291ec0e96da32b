import type { Leg } from '@changeover/core';
import type { InputValue, ResultSet, StorageBackend } from '@changeover/engines';

/** Faults that the histories must find, each planted in the pooled leg. */
export const plants = ['lost-update', 'stale-read', 'swapped-write'] as const;
export type Plant = (typeof plants)[number];

/** Every so many calls of a kind is done wrong. */
const every = 4;

type Params = readonly InputValue[] | undefined;

/** The leg with a fault in what callers are told or in what is done for them. Its shadow is as it was. */
export function plantedLeg(plant: Plant, leg: Leg<StorageBackend>): Leg<StorageBackend> {
  const { api } = leg;
  const own = { 'lost-update': lostUpdate, 'stale-read': staleRead, 'swapped-write': swappedWrite }[
    plant
  ](api);
  const changed = new Proxy(api, {
    get(target, name) {
      const planted: unknown = own[name as keyof StorageBackend];
      if (planted !== undefined) return planted;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { ...leg, api: changed };
}

/** An increment is acknowledged and not done. */
function lostUpdate(api: StorageBackend): Partial<StorageBackend> {
  let increments = 0;
  return {
    execute: async (dataset: string, sql: string, params: Params) => {
      if (sql.includes('value + 1') && (increments += 1) % every === 0) return 1;
      return await api.execute(dataset, sql, params);
    },
  };
}

/** A read is answered with what it was answered first. */
function staleRead(api: StorageBackend): Partial<StorageBackend> {
  const first = new Map<string, ResultSet>();
  let reads = 0;
  return {
    query: async (dataset: string, sql: string, params: Params) => {
      const answer = await api.query(dataset, sql, params);
      const key = JSON.stringify([dataset, sql, params]);
      const stale = first.get(key);
      if (stale === undefined) first.set(key, answer);
      return (reads += 1) % every === 0 && stale !== undefined ? stale : answer;
    },
  };
}

/** A write is acknowledged and done after the next one, or before the next call of another kind. */
function swappedWrite(api: StorageBackend): Partial<StorageBackend> {
  const held = new Map<string, () => Promise<unknown>>();
  let writes = 0;
  const settled = async (dataset: string): Promise<void> => {
    const write = held.get(dataset);
    held.delete(dataset);
    await write?.();
  };
  return {
    execute: async (dataset: string, sql: string, params: Params) => {
      if (!sql.includes('SET value = ') || sql.includes('value + 1')) {
        await settled(dataset);
        return await api.execute(dataset, sql, params);
      }
      if (!held.has(dataset) && (writes += 1) % every === 0) {
        held.set(dataset, () => api.execute(dataset, sql, params));
        return 1;
      }
      const affected = await api.execute(dataset, sql, params);
      await settled(dataset);
      return affected;
    },
    query: async (dataset: string, sql: string, params: Params) => {
      await settled(dataset);
      return await api.query(dataset, sql, params);
    },
    transaction: async (dataset, work) => {
      await settled(dataset);
      return await api.transaction(dataset, work);
    },
    writeTable: async (dataset, table, rows, options) => {
      await settled(dataset);
      await api.writeTable(dataset, table, rows, options);
    },
  };
}
