import { join } from 'node:path'
import { replaySuite } from './replay-suite.ts'

replaySuite(async (folder) => `sqlite:${join(folder, 'test.db')}`)
