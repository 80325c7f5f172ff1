import { join } from 'node:path'
import { headers } from './headers.ts'

headers(async (folder) => ({ to: `sqlite:${join(folder, 'headers.db')}`, stop: async () => undefined }))
