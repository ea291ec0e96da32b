import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { stages } from '@changeover/core';
import {
  bridgeOf,
  createBridge,
  createStaticStageSource,
  read,
  silentLogger,
  sub,
  write,
} from '../index.ts';

const open: object[] = [];
afterEach(async () => {
  for (const object of open.splice(0)) await bridgeOf(object).close();
});

class Nodes {
  readonly #leg: string;
  constructor(leg: string) {
    this.#leg = leg;
  }
  get leg(): string {
    return this.#leg;
  }
  get(id: number): string {
    return `${this.#leg} ${String(id)}`;
  }
  put(_id: number): this {
    return this;
  }
  async putLater(_id: number): Promise<this> {
    return this;
  }
}

class Graph {
  readonly nodes: Nodes;
  constructor(leg: string) {
    this.nodes = new Nodes(leg);
  }
  get(id: number): string {
    return this.nodes.get(id);
  }
}

function settings(stage: (typeof stages)[number]) {
  return {
    name: 'graph',
    storePath: ':memory:',
    logger: silentLogger,
    stages: createStaticStageSource({ graph: stage }),
  };
}

describe.each(stages)('an object in the singleton’s place, at %s', (stage) => {
  const answering = stage === 'legacy' || stage === 'shadow' ? 'legacy' : 'pooled';

  function graph() {
    const made = createBridge({
      ...settings(stage),
      legacy: () => new Graph('legacy'),
      pooled: () => new Graph('pooled'),
      operations: {
        get: read(),
        nodes: sub({ get: read(), put: write(), putLater: write() }),
      },
    });
    open.push(made);
    return made;
  }

  test('gives what stands for an object inside where a leg gives that object', async () => {
    const bridged = graph();
    expect(bridged.nodes.put(1)).toBe(bridged.nodes);
    await expect(bridged.nodes.putLater(1)).resolves.toBe(bridged.nodes);
  });

  test('has the properties of objects inside from the answering leg', () => {
    expect(graph().nodes.leg).toBe(answering);
  });

  test('refuses a method of an object inside that nobody declared, by its name', () => {
    const operations = { get: read(), nodes: sub({ get: read() }) };
    const made = (undeclared?: 'legacy') =>
      createBridge({
        ...settings(stage),
        legacy: () => new Graph('legacy'),
        pooled: () => new Graph('pooled'),
        operations,
        ...(undeclared === undefined ? {} : { undeclared }),
      });
    expect(() => made().get(1)).toThrow(
      /nodes\.put is not declared: add put: read\(\), .* to sub\({ … }\) of nodes.*nodes\.putLater is not declared/,
    );
    const left = made('legacy');
    open.push(left);
    left.nodes.put(1);
    const counts = bridgeOf(left).recorder.cell('graph', 'all', 'nodes.put', stage);
    expect(counts.calls).toBe(1);
  });

  test('has what hangs on a method', () => {
    const sql = Object.assign((text: string) => text, { raw: (text: string) => `raw ${text}` });
    const made = createBridge({
      ...settings(stage),
      legacy: () => ({ sql }),
      pooled: () => ({ sql: (text: string) => text }),
      operations: { sql: read() },
    });
    open.push(made);
    expect(made.sql('a')).toBe('a');
    expect(made.sql.raw('a')).toBe('raw a');
    expect(made.sql.length).toBe(1);
  });

  test('is spied on, and answers as before when the spy is gone', () => {
    const bridged = graph();
    const before = bridged.get(1);
    const spy = jest.spyOn(bridged, 'get').mockReturnValue('spied');
    expect(bridged.get(1)).toBe('spied');
    spy.mockRestore();
    expect(bridged.get(1)).toBe(before);
    const { get } = bridged;
    bridged.get = () => 'set';
    expect(bridged.get(1)).toBe('set');
    bridged.get = get;
    expect(bridged.get(1)).toBe(`${answering} 1`);
    expect(Object.keys(bridged)).toEqual(['nodes']);
  });
});

test('the write of an object inside is rehearsed and observed on that object', async () => {
  class Inside {
    readonly rows: string[];
    constructor(rows: string[]) {
      this.rows = rows;
    }
    async add(row: string): Promise<number> {
      return this.rows.push(row);
    }
    async remove(): Promise<void> {
      this.rows.pop();
    }
  }
  const rows: string[] = [];
  const made = createBridge({
    ...settings('shadow'),
    legacy: () => ({ inside: new Inside(rows) }),
    pooled: () => ({ inside: new Inside(rows) }),
    operations: {
      inside: sub({
        add: write({ rehearse: async (inside: Inside, _row: string) => inside.rows.length + 1 }),
        remove: write({ observe: (inside: Inside) => inside.rows.length }),
      }),
    },
  });
  open.push(made);
  await expect(made.inside.add('a')).resolves.toBe(1);
  await made.inside.remove();
  await bridgeOf(made).idle();
  expect(bridgeOf(made).recorder.summary().totals).toMatchObject({ match: 2, mismatch: 0 });
});
