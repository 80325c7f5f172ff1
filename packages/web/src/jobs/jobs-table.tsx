import { isActive, type Status } from '../api.ts'
import { ago, count } from '../format.ts'
import { StateBadge } from '../parts/state-badge.tsx'
import { paths } from '../route.ts'
import { texts } from '../texts.ts'

export function JobsTable({ jobs }: { jobs: Status[] }) {
  const { jobs: words } = texts
  return (
    <table className="jobs">
      <thead>
        <tr>
          <th scope="col">{words.file}</th>
          <th scope="col">{words.state}</th>
          <th scope="col" className="number">
            {words.records}
          </th>
          <th scope="col" className="number">
            {words.refused}
          </th>
          <th scope="col" className="number">
            {words.when}
          </th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <tr key={job.uploadId}>
            <th scope="row">
              <a href={paths.job(job.uploadId)}>{job.fileName}</a>
              {job.table && <span className="job-into">{texts.result.into(job.table)}</span>}
            </th>
            <td>
              <StateBadge state={job.status} />
              {isActive(job.status) && (
                <span className="jobs-progress" aria-hidden="true">
                  <span style={{ width: `${job.progress * 100}%` }} />
                </span>
              )}
            </td>
            <td className="number">{count(job.rowsProcessed)}</td>
            <td className={job.rowsFailed > 0 ? 'number bad' : 'number quiet'}>{count(job.rowsFailed)}</td>
            <td className="number quiet">
              <time dateTime={job.createdAt}>{ago(job.createdAt)}</time>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
