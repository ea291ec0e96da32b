import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type CallExpression, type NewExpression, Node, SyntaxKind } from 'ts-morph';
import { importsOf } from './imported.ts';

/** The clients that the configuration of `knex(…)` names, as far as texts tell: written there, in a constant of the file, or in the file
 * that it is taken from. None where nothing tells. */
export function knexClientsOf(creation: NewExpression | CallExpression): string[] {
  const [config] = creation.getArguments();
  if (config === undefined) return [];
  const found = clientsIn(config.getText());
  if (found.length > 0) return found;
  const file = creation.getSourceFile();
  const imports = importsOf(file);
  const names = [config, ...config.getDescendantsOfKind(SyntaxKind.Identifier)].filter((one) =>
    Node.isIdentifier(one),
  );
  const texts = names.flatMap((name) => [
    file.getVariableDeclaration(name.getText())?.getInitializer()?.getText() ?? '',
    textOfModule(file.getFilePath(), imports.get(name.getText())?.module),
  ]);
  const [, required] = /require\((['"])(\..*?)\1\)/.exec(config.getText())?.slice(1) ?? [];
  return clientsIn([...texts, textOfModule(file.getFilePath(), required)].join('\n'));
}

/** Whether the adapter takes an instance with that client. */
export function isBridgeableClient(client: string): boolean {
  return /^(?:pg|postgres|postgresql|better-sqlite3)$/.test(client);
}

/** What to type for a client that the adapter refuses, where there is one of the same database. */
export function insteadOf(client: string): string {
  if (/^sqlite/.test(client)) return ': make it better-sqlite3, which takes the same options';
  return client === 'pgnative' ? ': make it pg' : '';
}

function clientsIn(text: string): string[] {
  const found = [...text.matchAll(/\bclient['"]?\s*:\s*['"`]([\w-]+)['"`]/g)].map(
    ([, name = '']) => name,
  );
  return [...new Set(found)];
}

function textOfModule(from: string, module: string | undefined): string {
  if (module?.startsWith('.') !== true) return '';
  const path = resolve(dirname(from), module);
  const plain = path.replace(/\.[cm]?js$/, '');
  const candidates = ['', '.js', '.ts', '.cjs', '.mjs', '.mts', '.cts', '/index.js', '/index.ts'];
  const file = [path, ...candidates.map((ending) => plain + ending)].find(
    (one) => existsSync(one) && /\.[cm]?[jt]s$/.test(one),
  );
  return file === undefined ? '' : readFileSync(file, 'utf8');
}
