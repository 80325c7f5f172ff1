import { serveKillSuite } from './serve-kill-suite.ts'

serveKillSuite(async () => ({}))
