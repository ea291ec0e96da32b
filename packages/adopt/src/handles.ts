import {
  type CallExpression,
  type NewExpression,
  Node,
  type SourceFile,
  SyntaxKind,
} from 'ts-morph';
import { duckdbConnectionsIn } from './duckdb-handles.ts';
import { importedAs, importsOf } from './imported.ts';
import { insteadOf, isBridgeableClient, knexClientsOf } from './knex-clients.ts';
import { dialectOf } from './kysely-dialect.ts';

/** A library whose handle an adapter of Changeover stands in for. */
export type HandleKind = 'better-sqlite3' | 'pg.Client' | 'pg.Pool' | 'kysely' | 'knex' | 'duckdb';

/** An expression that makes a handle: `new Database(file)`. */
export interface Handle {
  readonly kind: HandleKind;
  readonly creation: NewExpression | CallExpression;
}

/** A handle that can't be wrapped where it is made. */
export interface OtherHandle {
  readonly line: number;
  /** What it is, and what to do there. */
  readonly text: string;
}

/** Libraries that people hand out handles of, with what to do where it is something else than for all of them. */
const others: ReadonlyMap<string, string | undefined> = new Map([
  ['@prisma/client', undefined],
  ['mysql2', undefined],
  ['mysql2/promise', undefined],
  ['mysql', undefined],
  ['postgres', undefined],
  ['knex', undefined],
  ['sqlite3', undefined],
  ['sqlite', undefined],
  ['mongoose', undefined],
  ['mongodb', undefined],
  ['ioredis', undefined],
  ['redis', undefined],
  ['sequelize', undefined],
  [
    'typeorm',
    'of typeorm, which takes an adapter by its option driver: driver: function (file, options) { return bridgeDatabase(' +
      "new Database(file, options), { name: 'app' }); }, or for postgres { ...pg, Pool: function (options) { return " +
      "bridgePool(new pg.Pool(options), { name: 'app' }); } }.",
  ],
  ['node:sqlite', undefined],
  ['duckdb', undefined],
  [
    'drizzle-orm/better-sqlite3',
    'that drizzle opens by itself: make it there and hand it in, drizzle(new Database(file)), then run this again.',
  ],
  [
    'drizzle-orm/node-postgres',
    'that drizzle opens by itself: make it there and hand it in, drizzle(new Pool({ connectionString })), then run this again.',
  ],
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

/** Places that make a handle which can't be wrapped there. */
export function otherHandlesIn(file: SourceFile): OtherHandle[] {
  return creationsIn(file).flatMap((made): OtherHandle[] => {
    const { creation, module, name } = made;
    const line = creation.getStartLineNumber();
    if (module === 'kysely' && name === 'Kysely' && dialectOf(creation) === undefined)
      return [
        {
          line,
          text: 'of Kysely, whose dialect is not written in this file: put BridgeDialect around it where it is made.',
        },
      ];
    if (!others.has(module) || isBridgeableKnex(made)) return [];
    if (module.startsWith('drizzle-orm/') && !opensByItself(creation)) return [];
    const [client] = module === 'knex' ? knexClientsOf(creation) : [];
    if (client !== undefined && insteadOf(client) !== '')
      return [
        {
          line,
          text: `of Knex with its client ${client}${insteadOf(client)}. Then run this again.`,
        },
      ];
    return [
      {
        line,
        text:
          others.get(module) ??
          `of ${module}, which no adapter stands in for: put your own functions around it and bridge those by createBridge.`,
      },
    ];
  });
}

/** `drizzle(url)` and `drizzle({ connection: url })`; not `drizzle(pool)`. */
function opensByItself(creation: Creation['creation']): boolean {
  const [given] = creation.getArguments();
  if (Node.isObjectLiteralExpression(given))
    return (
      given.getProperty('client') === undefined && given.getProperty('connection') !== undefined
    );
  return (
    given === undefined || Node.isStringLiteral(given) || /^process\.env\b/.test(given.getText())
  );
}

interface Creation {
  readonly creation: NewExpression | CallExpression;
  readonly module: string;
  readonly name: string;
}

/** Whether it is an instance of Knex, and not one of clients that the adapter refuses alone. */
function isBridgeableKnex({ creation, module, name }: Creation): boolean {
  if (module !== 'knex' || !Node.isCallExpression(creation)) return false;
  const clients = knexClientsOf(creation);
  return (
    ['default', 'knex', '*'].includes(name) &&
    (clients.length === 0 || clients.some(isBridgeableClient))
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
