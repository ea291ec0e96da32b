import Database from 'better-sqlite3';

export interface Note {
  id: number;
  text: string;
}

/** The one store of notes. */
export class Notes {
  private static instance: Notes | undefined;
  private db: Database.Database;

  private constructor(file: string) {
    this.db = new Database(file);
    this.db.exec('create table if not exists note (id integer primary key, text text not null)');
  }

  static getInstance(): Notes {
    if (!Notes.instance) {
      Notes.instance = new Notes(process.env['DB_FILE'] ?? 'app.sqlite'); // made once
    }
    return Notes.instance;
  }

  get count(): number {
    return this.db.prepare('select count(*) from note').pluck().get() as number;
  }

  list(): Note[] {
    return this.db.prepare('select id, text from note').all() as Note[];
  }

  find(id: number): Note | undefined {
    return this.db.prepare('select id, text from note where id = ?').get(id) as Note | undefined;
  }

  *each(): IterableIterator<Note> {
    yield* this.db.prepare('select id, text from note order by id').iterate() as IterableIterator<Note>;
  }

  add(text: string): number {
    return Number(this.db.prepare('insert into note (text) values (?)').run(text).lastInsertRowid);
  }

  inTransaction<R>(work: () => R): R {
    return this.db.transaction(work)();
  }

  close(): void {
    this.db.close();
  }

  private vacuum(): void {
    this.db.exec('vacuum');
  }
}
