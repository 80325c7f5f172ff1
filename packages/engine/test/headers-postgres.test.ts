import { headers } from './headers.ts'
import { startPostgres } from './support/postgres.ts'

headers(async () => {
  const { url, stop } = await startPostgres()
  return { to: url, stop }
})
