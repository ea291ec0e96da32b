import type { TransactionControl } from '@changeover/classify';
import type { StatementTraits } from './statement-traits.ts';

/** What the first word makes of a text that was not classified yet: in both engines these words begin nothing else. */
const leadingControl: Readonly<Record<string, TransactionControl>> = {
  begin: 'begin',
  start: 'begin',
  commit: 'commit',
  end: 'commit',
  rollback: 'rollback',
  abort: 'rollback',
};

/** What a statement does to the transaction around it. */
export function controlOf(traits: StatementTraits, sql: string): TransactionControl | undefined {
  if (traits.several || !traits.unclear) return traits.control;
  const [, word = '', rest = ''] = /^\s*([a-z]+)\b([\s\S]*)$/i.exec(sql) ?? [];
  const control = leadingControl[word.toLowerCase()];
  if (control === 'rollback' && /^\s*(transaction\s+|work\s+)?to\b/i.test(rest))
    return 'rollback to';
  return control;
}
