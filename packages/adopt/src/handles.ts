import {
  type CallExpression,
  type NewExpression,
  Node,
  type SourceFile,
  SyntaxKind,
} from 'ts-morph';
import { duckdbConnectionsIn } from './duckdb-handles.ts';
import { importedAs, importsOf } from './imported.ts';

/** A library whose handle an adapter of Changeover stands in for. */
export type HandleKind = 'better-sqlite3' | 'pg.Client' | 'pg.Pool' | 'kysely' | 'knex' | 'duckdb';

/** An expression that makes a handle: `new Database(file)`. */
export interface Handle {
  readonly kind: HandleKind;
  readonly creation: NewExpression | CallExpression;
}

/** A handle that no adapter stands in for. */
export interface OtherHandle {
  readonly library: string;
  readonly line: number;
}

/** Libraries that people hand out handles of, and what to do there. */
const others: ReadonlySet<string> = new Set([
  '@prisma/client',
  'mysql2',
  'mysql2/promise',
  'mysql',
  'postgres',
  'knex',
  'sqlite3',
  'sqlite',
  'mongoose',
  'mongodb',
  'ioredis',
  'redis',
  'sequelize',
  'typeorm',
  'node:sqlite',
  'duckdb',
]);

/** Every place in a file that makes a handle: of each kind in the order of the text. */
export function handlesIn(file: SourceFile): Handle[] {
  const made = creationsIn(file).flatMap(({ creation, module, name }): Handle[] => {
    const isNew = Node.isNewExpression(creation);
    if (module === 'better-sqlite3' && (name === 'default' || name === '*'))
      return [{ kind: 'better-sqlite3', creation }];
    if (module === 'pg' && isNew && name === 'Client') return [{ kind: 'pg.Client', creation }];
    if (module === 'pg' && isNew && name === 'Pool') return [{ kind: 'pg.Pool', creation }];
    if (module === 'kysely' && isNew && name === 'Kysely') return [{ kind: 'kysely', creation }];
    if (isBridgeableKnex({ creation, module, name })) return [{ kind: 'knex', creation }];
    return [];
  });
  const connections = duckdbConnectionsIn(file).map((creation): Handle => ({
    kind: 'duckdb',
    creation,
  }));
  return [...made, ...connections];
}

/** Places that make a handle which no adapter stands in for. */
export function otherHandlesIn(file: SourceFile): OtherHandle[] {
  return creationsIn(file)
    .filter((made) => others.has(made.module) && !isBridgeableKnex(made))
    .map(({ creation, module }) => ({ library: module, line: creation.getStartLineNumber() }));
}

interface Creation {
  readonly creation: NewExpression | CallExpression;
  readonly module: string;
  readonly name: string;
}

/** Whether it is an instance of Knex, and not said to be of an engine whose statements can't be classified. */
function isBridgeableKnex({ creation, module, name }: Creation): boolean {
  if (module !== 'knex' || !Node.isCallExpression(creation)) return false;
  const [config] = creation.getArguments();
  const client = /\bclient['"]?\s*:\s*['"`](\w+)/.exec(config?.getText() ?? '')?.[1] ?? '';
  return (
    ['default', 'knex', '*'].includes(name) &&
    !/^(?:mysql|maria|mssql|oracle|cockroach)/.test(client)
  );
}

function creationsIn(file: SourceFile): Creation[] {
  const imports = importsOf(file);
  return file.getDescendants().flatMap((node) => {
    if (!Node.isNewExpression(node) && !Node.isCallExpression(node)) return [];
    const callee = node.getExpression();
    // `require('m')` itself makes nothing.
    if (callee.isKind(SyntaxKind.Identifier) && callee.getText() === 'require') return [];
    const imported = importedAs(unwrapped(callee), imports);
    return imported === undefined ? [] : [{ creation: node, ...imported }];
  });
}

function unwrapped<T extends Node>(node: T): T {
  return Node.isParenthesizedExpression(node)
    ? (unwrapped(node.getExpression()) as Node as T)
    : node;
}
