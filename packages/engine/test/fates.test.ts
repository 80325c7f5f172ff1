import { join } from 'node:path'
import { fates } from './fates.ts'

fates(async (folder) => ({
  to: `sqlite:${join(folder, 'fates.db')}`,
  swallowing: [
    `CREATE TRIGGER refuse BEFORE INSERT ON t WHEN new.id % 50 = 0 BEGIN SELECT RAISE(ABORT, 'fifty'); END`,
    'CREATE TRIGGER swallow BEFORE INSERT ON t WHEN new.id % 7 = 0 BEGIN SELECT RAISE(IGNORE); END',
  ],
  stop: async () => undefined,
}))
