import { useEffect, useState } from 'react'
import { ApiError, isActive, listUploads, type Status } from '../api.ts'

const WHEN_BUSY_MS = 1_000
const WHEN_IDLE_MS = 10_000

/** The imports, newest first, renewed while one of them goes on. */
export function useJobs(
  limit: number,
  state = '',
): { jobs: Status[] | undefined; more: boolean; error: ApiError | undefined } {
  const [found, setFound] = useState<{ jobs?: Status[]; more: boolean; error?: ApiError }>({ more: false })
  useEffect(() => {
    const gone = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = async (): Promise<void> => {
      let wait = WHEN_IDLE_MS
      try {
        const { uploads, next } = await listUploads({ limit, status: state }, gone.signal)
        setFound({ jobs: uploads, more: next !== null })
        if (uploads.some(({ status }) => isActive(status))) wait = WHEN_BUSY_MS
      } catch (error) {
        if (!(error instanceof ApiError) || gone.signal.aborted) return
        setFound((old) => ({ ...old, error }))
        if (error.status === 401) return
      }
      timer = setTimeout(look, wait)
    }
    void look()
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [limit, state])
  return { jobs: found.jobs, more: found.more, error: found.error }
}
