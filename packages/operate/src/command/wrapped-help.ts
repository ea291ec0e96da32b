import { widthOf, type Streams } from './terminal.ts';

/** As wide as help is where no terminal says otherwise. */
const usualWidth = 80;

/** Columns that help may take. */
export function helpWidth(stdout: Streams['stdout']): number {
  return widthOf(stdout) ?? usualWidth;
}

/** Help whose prose takes no more columns than there are. Lines to be typed stay whole, so that they can be copied. */
export function wrappedHelp(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => (/^ *\$ /.test(line) ? [line] : wrapped(line, width)))
    .join('\n');
}

function wrapped(line: string, width: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const at = rest.lastIndexOf(' ', width);
    if (rest.slice(0, at).trim() === '') break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
