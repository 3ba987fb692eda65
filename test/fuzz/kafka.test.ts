import t from 'tap'
import { FUZZ_SECONDS, fuzzKafka } from './kafka.ts'

t.setTimeout((FUZZ_SECONDS + 30) * 1_000)
t.test('Kafka keeps the laws of parsers', async (t) => t.comment(fuzzKafka()))
