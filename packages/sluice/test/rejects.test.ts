import { join } from 'node:path'
import { rejectsSuite } from './rejects-suite.ts'

rejectsSuite(async (folder) => `sqlite:${join(folder, 'a.db')}`)
