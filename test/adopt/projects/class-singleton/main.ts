import { Notes } from './notes.ts';

export function useNotes(): string {
  const notes = Notes.getInstance();
  const id = notes.add('film');
  notes.inTransaction(() => notes.add('bread'));
  const found = notes.find(id)?.text;
  return `${String(found)} ${String(notes.count)} ${String(notes.list().length)} ${String([...notes.each()].length)}`;
}

export function end(): void {
  Notes.getInstance().close();
}

console.log(useNotes());
end();
