import t from 'tap'
import { Exposition, readFamilies } from '../../lib/supervisor/parent/metrics.ts'

const type = 'text/plain; version=0.0.4; charset=utf-8'
const read = (...lines: string[]): ReturnType<typeof readFamilies> => readFamilies([{ text: lines.join('\n'), type }])

/** What two children have written, and what is served of it. */
interface Row {
  title: string
  children: string[][]
  /** What a child wrote that has ended. */
  past?: string[]
  served: string[]
}

const rows: Row[] = [
  {
    title: 'counters add up, by their labels in any order',
    children: [
      ['# HELP hits_total Hits', '# TYPE hits_total counter', 'hits_total{route="/",code="200"} 3', 'hits_total 1'],
      ['# HELP hits_total Hits', '# TYPE hits_total counter', 'hits_total{code="200",route="/"} 4']
    ],
    served: [
      '# HELP hits_total Hits', '# TYPE hits_total counter', 'hits_total{code="200",route="/"} 7', 'hits_total 1'
    ]
  },
  {
    title: 'gauges tell whose they are',
    children: [['# TYPE heap gauge', 'heap 5'], ['# TYPE heap gauge', 'heap{space="new"} 6']],
    served: ['# HELP heap ', '# TYPE heap gauge', 'heap{child="1"} 5', 'heap{child="2",space="new"} 6']
  },
  {
    title: 'histograms add up, bucket by bucket',
    children: [
      ['# TYPE took histogram', 'took_bucket{le="0.1"} 1', 'took_bucket{le="+Inf"} 2', 'took_sum 0.5', 'took_count 2'],
      ['# TYPE took histogram', 'took_bucket{le="0.1"} 2', 'took_bucket{le="+Inf"} 2', 'took_sum 0.25', 'took_count 2']
    ],
    served: [
      '# HELP took ', '# TYPE took histogram', 'took_bucket{le="0.1"} 3', 'took_bucket{le="+Inf"} 4', 'took_sum 0.75',
      'took_count 4'
    ]
  },
  {
    title: 'of a summary what is counted adds up, and quantiles do not',
    children: [
      ['# TYPE wait summary', 'wait{quantile="0.5"} 1', 'wait_sum 2', 'wait_count 3'],
      ['# TYPE wait summary', 'wait{quantile="0.5"} 9', 'wait_sum 2', 'wait_count 3']
    ],
    served: [
      '# HELP wait ', '# TYPE wait summary', 'wait{child="1",quantile="0.5"} 1', 'wait_sum 4', 'wait_count 6',
      'wait{child="2",quantile="0.5"} 9'
    ]
  },
  {
    title: 'who has ended leaves what was counted, and nothing that was so then',
    children: [['# TYPE hits_total counter', 'hits_total 1', '# TYPE heap gauge', 'heap 5']],
    past: ['# TYPE hits_total counter', 'hits_total 10', '# TYPE heap gauge', 'heap 50'],
    served: [
      '# HELP hits_total ', '# TYPE hits_total counter', 'hits_total 11', '# HELP heap ', '# TYPE heap gauge',
      'heap{child="1"} 5'
    ]
  },
  {
    title: 'counters of OpenMetrics are called as their values',
    children: [['# TYPE hits counter', 'hits_total 1', '# EOF']],
    served: ['# HELP hits_total ', '# TYPE hits_total counter', 'hits_total 1']
  },
  {
    title: 'a label of the service that is called child is kept by another name',
    children: [['# TYPE heap gauge', 'heap{a="b",child="kid"} 5']],
    served: ['# HELP heap ', '# TYPE heap gauge', 'heap{child="1",a="b",exported_child="kid"} 5']
  },
  {
    title: 'what is in quotes is no end of a label',
    children: [['# TYPE hits_total counter', String.raw`hits_total{path="a}\"b,c=\\"} 1`]],
    served: ['# HELP hits_total ', '# TYPE hits_total counter', String.raw`hits_total{path="a}\"b,c=\\"} 1`]
  },
  {
    title: 'numbers that are none, and times behind them',
    children: [['# TYPE a gauge', 'a NaN', '# TYPE b gauge', 'b +Inf 1700000000', '# TYPE c gauge', 'c -Inf']],
    served: [
      '# HELP a ', '# TYPE a gauge', 'a{child="1"} NaN', '# HELP b ', '# TYPE b gauge', 'b{child="1"} +Inf',
      '# HELP c ', '# TYPE c gauge', 'c{child="1"} -Inf'
    ]
  },
  {
    title: 'what has no type is told of each child',
    children: [['loose 1'], ['loose 2']],
    served: ['# HELP loose ', '# TYPE loose untyped', 'loose{child="1"} 1', 'loose{child="2"} 2']
  },
  {
    title: 'another release that means something else by a name is left out',
    children: [['# TYPE hits counter', 'hits 1'], ['# TYPE hits gauge', 'hits 9']],
    served: ['# HELP hits ', '# TYPE hits counter', 'hits 1']
  },
  { title: 'what is neither is left out', children: [['nothing', '{a="b"} 1', '', '# comment', '1x 2']], served: [''] }
]

t.test('the metrics of several children are served as those of one', async (t) => {
  for (const { title, children, past, served } of rows) {
    const all = new Exposition()
    if (past !== undefined) all.add(read(...past))
    for (const [index, lines] of children.entries()) all.add(read(...lines), String(index + 1))
    t.equal(all.text(), served.length === 1 ? '\n' : `${served.join('\n')}\n`, title)
    t.equal(all.left, 0, title)
  }
})

t.test('what it serves can be read and added again', async (t) => {
  const all = new Exposition()
  all.add(read('# HELP hits_total Hits', '# TYPE hits_total counter', 'hits_total{a="b"} 2'), '1')
  const again = new Exposition()
  again.add(all.families)
  again.add(read(...all.text().split('\n')), '')
  t.match(again.text(), /^hits_total\{a="b"\} 4$/m)
})

t.test('there is an end to what is kept, and what is left out is counted', async (t) => {
  const all = new Exposition()
  const lines = Array.from({ length: 50_010 }, (_none, index) => `hits_total{id="${index}"} 1`)
  all.add(read('# TYPE hits_total counter', ...lines), '1')
  t.equal(all.left, 10)
  t.equal(all.text().split('\n').length, 50_003)
})
