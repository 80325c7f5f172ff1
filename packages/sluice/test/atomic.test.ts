import { join } from 'node:path'
import { atomicSuite } from './atomic-suite.ts'

atomicSuite(async (folder) => `sqlite:${join(folder, 'test.db')}`)
