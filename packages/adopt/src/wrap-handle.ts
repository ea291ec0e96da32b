import { Node } from 'ts-morph';
import type { WrappedHandle } from './edits.ts';
import type { Handle, HandleKind } from './handles.ts';
import type { TextStyle } from './text-style.ts';
import { insteadOf, isBridgeableClient, knexClientsOf } from './knex-clients.ts';
import { wrapDialect } from './kysely-dialect.ts';
import { wrapDuckdb } from './wrap-duckdb.ts';

const adapters: Readonly<
  Record<Exclude<HandleKind, 'kysely' | 'duckdb'>, readonly [module: string, name: string]>
> = {
  'better-sqlite3': ['changeover/better-sqlite3', 'bridgeDatabase'],
  'pg.Client': ['changeover/pg', 'bridgeClient'],
  'pg.Pool': ['changeover/pg', 'bridgePool'],
  knex: ['changeover/knex', 'bridgeKnex'],
};

/** Wraps the expression that makes a handle in the adapter's call; of Kysely its dialect. */
export function wrapHandle(
  { kind, creation }: Handle,
  name: string,
  style: TextStyle,
): WrappedHandle {
  const { quote: q } = style;
  if (kind === 'kysely') return wrapDialect(creation, name, style);
  if (kind === 'duckdb') {
    const { edit, todos } = wrapDuckdb(creation, name, style);
    return { module: 'changeover/duckdb', imported: 'bridgeConnection', edits: [edit], todos };
  }
  const [module, imported] = adapters[kind];
  const memory =
    (kind === 'better-sqlite3' && isInMemory(creation)) ||
    (kind === 'knex' && creation.getText().includes(':memory:'));
  const todos = kind === 'knex' ? todosOfKnex(creation) : [];
  return {
    module,
    imported,
    edits: [
      { start: creation.getStart(), end: creation.getStart(), text: `${imported}(` },
      {
        start: creation.getEnd(),
        end: creation.getEnd(),
        text: `, { ${todos.map((todo) => `/* TODO: ${todo} */ `).join('')}name: ${q}${name}${q}${optionsOf(kind, creation)} })`,
      },
    ],
    todos,
    notes: memory ? ['A database in memory has one connection only and stays at legacy.'] : [],
  };
}

function todosOfKnex(creation: Handle['creation']): string[] {
  return knexClientsOf(creation)
    .filter((client) => !isBridgeableClient(client))
    .map(
      (client) => `with its client ${client} this is refused when it is made${insteadOf(client)}`,
    );
}

/** A handle does not tell these options of its own, which its adapter's connections need too. */
function optionsOf(kind: HandleKind, creation: Handle['creation']): string {
  const [, options] = creation.getArguments();
  const text = options?.getText() ?? '';
  if (kind !== 'better-sqlite3' || !/\b(?:verbose|nativeBinding|fileMustExist)\b/.test(text))
    return '';
  const made = `${Node.isNewExpression(creation) ? 'new ' : ''}${creation.getExpression().getText()}`;
  return `, pooled: (file) => ${made}(file, ${text})`;
}

function isInMemory(creation: Node): boolean {
  return /\(\s*(?:\)|['"`](?::memory:)?['"`])/.test(creation.getText());
}
