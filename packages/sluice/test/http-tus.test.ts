import { tusSuite } from './tus-suite.ts'

tusSuite(
  async () => ({}),
  async (server) => server.stored(),
)
