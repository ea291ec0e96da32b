/** What the test uses of TypeORM, which is no dependency of this repository: its types are not at hand. */
export interface TypeOrm {
  readonly DataSource: new (options: object) => DataSource;
  readonly EntitySchema: new (options: object) => object;
}

export interface DataSource {
  initialize(): Promise<DataSource>;
  destroy(): Promise<void>;
  getRepository(entity: object): Repository;
  createQueryRunner(): QueryRunner;
  transaction<T>(work: (manager: Manager) => Promise<T>): Promise<T>;
}

export type Row = Readonly<Record<string, unknown>>;

export interface Manager {
  getRepository(entity: object): Repository;
  transaction<T>(work: (manager: Manager) => Promise<T>): Promise<T>;
}

export interface QueryRunner {
  readonly manager: Manager;
  startTransaction(): Promise<void>;
  commitTransaction(): Promise<void>;
  rollbackTransaction(): Promise<void>;
  release(): Promise<void>;
}

export interface Repository {
  save(entity: object): Promise<Row>;
  find(options?: object): Promise<Row[]>;
  findOneBy(where: object): Promise<Row | null>;
  count(): Promise<number>;
  increment(where: object, column: string, by: number): Promise<unknown>;
  createQueryBuilder(alias: string): QueryBuilder;
}

export interface QueryBuilder {
  leftJoinAndSelect(property: string, alias: string): QueryBuilder;
  where(condition: string, parameters: object): QueryBuilder;
  orderBy(column: string): QueryBuilder;
  getMany(): Promise<Row[]>;
}
