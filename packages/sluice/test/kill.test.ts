import { join } from 'node:path'
import { killTests } from './kill.ts'
import { sqliteTarget } from './torture.ts'

killTests('SQLite', (folder) => sqliteTarget(join(folder, 'killed.db')))
