import t from 'tap'
import { PendingAnswers, within } from '../../lib/util/promises.ts'

t.test('each question gets its own answer, in whatever order they come', async (t) => {
  const pending = new PendingAnswers<string>()
  const asked: number[] = []
  const both = Promise.all([1, 2].map(async () => pending.ask((id) => asked.push(id), 60_000)))
  for (const id of asked.toReversed()) pending.answer(id, `to ${id}`)
  t.same(await both, asked.map((id) => `to ${id}`))
  t.equal(new Set(asked).size, 2, 'no number twice')
})

t.test('an answer given at once counts', async (t) => {
  const pending = new PendingAnswers<string>()
  t.equal(await pending.ask((id) => pending.answer(id, 'at once'), 60_000), 'at once')
})

t.test('a question without an answer is over in time, and its answer is ignored afterwards', async (t) => {
  const pending = new PendingAnswers<string>()
  let late = 0
  for (const timeout of [5, 0, -1]) t.equal(await pending.ask((id) => { late = id }, timeout), undefined)
  pending.answer(late, 'late')
  pending.answer(-1, 'to nobody')
  t.equal(await pending.ask((id) => pending.answer(id, 'the next'), 60_000), 'the next')
})

t.test('a question that cannot be put rejects, and is not open', async (t) => {
  const pending = new PendingAnswers<string>()
  await t.rejects(pending.ask(() => { throw new Error('the channel is closed') }, 60_000), /the channel is closed/)
  pending.answerAll((id) => { throw new Error(`${id} is open`) })
})

t.test('all that is open is answered where nobody answers any more', async (t) => {
  const pending = new PendingAnswers<string>()
  const open = [1, 2, 3].map(async () => pending.ask(() => {}, 60_000))
  pending.answerAll((id) => `gone: ${id}`)
  t.same(await Promise.all(open), ['gone: 1', 'gone: 2', 'gone: 3'])
  pending.answerAll((id) => { throw new Error(`${id} is open`) })
})

t.test('what takes too long is not waited for', async (t) => {
  const order: string[] = []
  await Promise.all([
    within(new Promise(() => {}), 20).then(() => order.push('the time was over')),
    within(Promise.resolve(), 60_000).then(() => order.push('it was settled'))
  ])
  t.same(order, ['it was settled', 'the time was over'])
})
