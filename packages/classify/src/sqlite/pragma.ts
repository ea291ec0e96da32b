import type { Findings } from '../findings.ts';
import type { Statement } from '../statement.ts';
import type { Token } from '../scan.ts';
import * as reviewed from './reviewed.ts';
import { nameOf } from './select-text.ts';

/**
 * A PRAGMA by its tokens behind the word, which are all there is to its grammar: a name, and a value or none. It is never given to
 * SQLite: some act while they are compiled, behind EXPLAIN as well.
 */
export function judgePragma(body: readonly Token[], findings: Findings, shape: string): Statement {
  const at = body[1]?.text === '.' ? 2 : 0;
  const name = nameOf(body[at]) ?? '';
  const given = body.length > at + 1;
  const tells =
    reviewed.tellingPragmas.has(name) && (!given || reviewed.tellingOfArgument.has(name));
  if (!tells) {
    findings.act(
      reviewed.filePragmas.has(name) ? 'maintains the database' : 'sets the session',
      `PRAGMA ${name}`,
    );
    if (!reviewed.filePragmas.has(name)) findings.uses('sets');
    return findings.statement({ shape });
  }
  const order = reviewed.pragmaKeys.has(`pragma_${name}`) ? 'total' : 'none';
  if (!reviewed.connectionPragmas.has(name)) return findings.statement({ shape, order });
  findings.uses('reads');
  findings.connectionFact(`PRAGMA ${name}`);
  return findings.statement({ shape, undetermined: [{ what: 'connection fact', where: 'rows' }] });
}
