export {
  bridgeKnex,
  type BridgeKnexOptions,
  type KeyedStatement,
  LastWriteError,
} from '@changeover/adapters/knex';
