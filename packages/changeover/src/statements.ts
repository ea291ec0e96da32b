export {
  type DuckdbConnection,
  duckdbStatements,
  type PostgresQuery,
  postgresStatements,
  sqliteStatements,
  type Statements,
  type StatementsOptions,
} from '@changeover/adapters/statements';
