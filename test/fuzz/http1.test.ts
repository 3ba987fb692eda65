import t from 'tap'
import { FUZZ_SECONDS, fuzzHttp1 } from './http1.ts'

t.setTimeout((FUZZ_SECONDS + 30) * 1_000)
t.test('HTTP/1.x keeps the laws of parsers', async (t) => t.comment(fuzzHttp1()))
