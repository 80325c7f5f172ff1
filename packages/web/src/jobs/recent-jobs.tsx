import { paths } from '../route.ts'
import { texts } from '../texts.ts'
import { JobsTable } from './jobs-table.tsx'
import { useJobs } from './use-jobs.ts'

const SHOWN = 4

/** The last few imports, below the place for a new one. */
export function RecentJobs() {
  const { jobs } = useJobs(SHOWN)
  if (!jobs || jobs.length === 0) return null
  return (
    <section className="recent">
      <header className="section-head">
        <h2>{texts.drop.recent}</h2>
        <a href={paths.jobs}>{texts.drop.all}</a>
      </header>
      <JobsTable jobs={jobs} />
    </section>
  )
}
