import { Node, SyntaxKind, type Type } from 'ts-morph';
import { evidenceOf } from './evidence.ts';
import type { Member } from './members.ts';

/** What a method is declared as, and why. */
export interface Operation {
  readonly name: string;
  /** As it is written: `read.rows()`. */
  readonly declared: string;
  /** What a person must look at; undefined where the source tells. */
  readonly todo: string | undefined;
  /** Whether it answers at once; undefined where that can't be told. */
  readonly synchronous: boolean | undefined;
  /** What told: for people. */
  readonly because: string;
}

const controls =
  /^_?(?:init|initialize|connect|open|close|end|quit|destroy|dispose|disconnect|shutdown|terminate)(?:Connection|Connections|Database|Db|DB|Pool|Client|All)?$/;
const reads =
  /^(?:get|find|list|all|count|has|is|exists?|read|load|fetch|search|select|lookup|query|peek|size|total|sum|stats|describe|iterate|each|keys|values|entries|scan|check|can|latest|recent|last|first)(?=$|[A-Z_\d])/;
const writes =
  /^(?:add|insert|create|update|upsert|set|put|save|write|store|delete|remove|drop|clear|purge|truncate|append|push|mark|rename|move|archive|restore|migrate|increment|decrement|reset|register|record|log|import|replace|merge|assign|enqueue|dequeue|claim|touch|seed|apply|complete|toggle|enable|disable|open|transfer|pay|send)(?=$|[A-Z_\d])/;
const transactions =
  /^(?:(?:with|in|run|do)?_?[Tt]ransaction|transact|atomic(?:ally)?|batch|unitOfWork|runInTransaction)$/;

/** Tells what a member is: by the statements in it, by what it does to its object, and by its name. What nothing tells is a
 * write with a TODO, because a write runs once whatever the stage. */
export function inferOperation(member: Member): Operation {
  const evidence = evidenceOf(member.body);
  const { name } = member;
  const answer = answerOf(member);
  const callback = lastIsCallback(member);
  const options = callback ? "{ callback: 'last' }" : '';
  const make = (declared: string, because: string, todo?: string): Operation => ({
    name,
    declared,
    todo,
    because,
    synchronous: callback ? false : answer.synchronous,
  });
  if (takesFunction(member) && (transactions.test(name) || evidence.beginsTransaction))
    return make('transaction()', 'it runs a function of the caller in a transaction');
  if (controls.test(name) && (!evidence.writesRows || evidence.setsField) && !takesData(member))
    return make('control()', 'its name says that it is about the object itself');
  if (answer.iterates && !evidence.acts)
    return make('read()', 'it answers an iterator or stream, which is not compared');
  if (takesStatement(member))
    return make(
      'write()',
      'it takes any statement',
      'it takes any statement, so each runs once and none is compared. bySql(classifier) compares the reads.',
    );
  const rows = answer.rows && !callback ? 'read.rows()' : `read(${options})`;
  const wrote = `write(${options})`;
  if (evidence.acts)
    return reads.test(name) && !evidence.writesRows
      ? make(
          wrote,
          evidence.because,
          `its name says that it reads, and ${evidence.because}. Is that more than a cache?`,
        )
      : make(wrote, evidence.because);
  if (evidence.reads && !evidence.unsure)
    return writes.test(name)
      ? make(
          wrote,
          'its name says that it writes',
          'its name says that it writes, and only a read was seen. Which is it?',
        )
      : make(rows, evidence.because);
  if (reads.test(name))
    return evidence.unsure && !evidence.reads
      ? make(
          rows,
          'its name says that it reads',
          'its name says that it reads, and its statements could not be seen. Does it act on nothing?',
        )
      : make(rows, 'its name says that it reads');
  if (writes.test(name)) return make(wrote, 'its name says that it writes');
  return make(
    wrote,
    'nothing tells',
    'nothing tells whether it writes. If it only reads: read() or read.rows().',
  );
}

interface Answer {
  readonly synchronous: boolean | undefined;
  readonly rows: boolean;
  readonly iterates: boolean;
}

function answerOf({ node, body }: Member): Answer {
  const isAsync = Node.isAsyncable(node) && node.isAsync();
  const generates = 'isGenerator' in node && node.isGenerator();
  const type = node.getReturnType();
  const promised = promisedBy(type);
  const value = promised ?? type;
  const text = value.getText();
  const unknown = type.isAny() || type.isUnknown();
  const iterates =
    generates ||
    /^(?:Async)?(?:Iterable(?:Iterator)?|Iterator|Generator)(?:Object)?</.test(bareName(text)) ||
    /^(?:Readable|ReadableStream|QueryStream|Transform)\b/.test(bareName(text));
  return {
    synchronous: isAsync || promised !== undefined ? false : unknown ? undefined : true,
    rows: value.isArray() || value.isReadonlyArray() || (value.isAny() && answersAll(body)),
    iterates,
  };
}

/** `import("stream").Readable` is `Readable`. */
function bareName(text: string): string {
  return text.replace(/^import\([^)]*\)\./, '');
}

/** Where the driver's types are not there, as in JavaScript: what `.all()` of a statement answers is a list. */
function answersAll(body: Node | undefined): boolean {
  const returned = body?.getDescendantsOfKind(SyntaxKind.ReturnStatement) ?? [];
  return returned.some((one) =>
    /\.(?:all\(|rows\b)[^.]*;?$/.test(one.getText().replaceAll(/\s+/g, ' ')),
  );
}

function promisedBy(type: Type): Type | undefined {
  const name = type.getSymbol()?.getName();
  return name === 'Promise' || name === 'PromiseLike' ? type.getTypeArguments()[0] : undefined;
}

function lastIsCallback(member: Member): boolean {
  const last = member.parameters.at(-1);
  if (last === undefined || !/^(?:cb|callback|done|next)$/.test(last.getName())) return false;
  const { synchronous } = answerOf(member);
  return synchronous !== false;
}

function takesFunction({ parameters }: Member): boolean {
  return parameters.some(
    (one) =>
      one.getType().getCallSignatures().length > 0 ||
      /^(?:fn|func|work|callback|cb|run|action|task|block|body)$/.test(one.getName()),
  );
}

function takesData({ parameters }: Member): boolean {
  return parameters.length > 1;
}

/** A first parameter that is a statement. */
export function takesStatement({ parameters }: Member): boolean {
  const [first] = parameters;
  return (
    first !== undefined &&
    /^(?:sql|query|queryText|statement|stmt|sqlText|queryString)$/.test(first.getName()) &&
    (first.getType().isString() || first.getType().isAny())
  );
}
