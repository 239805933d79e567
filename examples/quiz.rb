# Answers in a buzzer quiz: ruby quiz.rb URL KEY CODE NAME. Needs nothing but Ruby; quiz.mjs asks.
# Left out: it does not come back when the network breaks or the server restarts, and sends no buzz again.
%w[json net/http securerandom time].each { |name| require name }

SERVER, KEY, CODE, MY_NAME = ARGV
HEADERS = { 'Content-Type' => 'application/json', 'x-api-key' => KEY, 'x-mesh-join-code' => CODE }.freeze
IDS = '$groupId: ID!, $domain: String!, $nodeId: ID!'.freeze
AS_ME = 'groupId: $groupId, domain: $domain, nodeId: $nodeId'.freeze
$stdout.sync = true

def post(path, query, variables, &read)
  uri = URI("#{SERVER.chomp('/')}/#{path}")
  request = Net::HTTP::Post.new(uri, HEADERS)
  request.body = JSON.generate(query: query, variables: variables)
  Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == 'https') { |http| http.request(request, &read) }
end

def call(query, variables)
  answer = JSON.parse(post('graphql', query, variables).body)
  answer['errors']&.each { |error| warn error['message'] }
  answer['data']&.values&.first
end

group = call('query ($code: String!) { groupByJoinCode(code: $code) { groupId: id domain } }', { code: CODE }) || abort('No group has this code')
me = group.merge(nodeId: SecureRandom.hex)
member = call("mutation (#{IDS}, $name: String) { joinGroup(#{AS_ME}, nickname: $name) { heartbeatIntervalSeconds } }", me.merge(name: MY_NAME)) || exit(1)
FIRE = "mutation (#{IDS}, $events: [EventInput!]!) { fireEventsByNode(#{AS_ME}, events: $events) { groupId } }".freeze
Thread.new do
  $stdin.each_line do
    now = Time.now.utc
    call(FIRE, me.merge(events: [{ eventName: 'buzz', payload: MY_NAME, firedAt: now.iso8601, orderKey: now.strftime('%s%N') }]))
  end
end
beat = "mutation (#{IDS}) { sendMemberHeartbeat(#{AS_ME}) { nodeId } }"
Thread.new { loop { sleep(member['heartbeatIntervalSeconds']) && call(beat, me) } } # without it, a member is removed after a minute

is_open = false
show = lambda do |event|
  puts "Question: #{event['payload']}" if event['name'] == 'question'
  puts "#{event['payload']} was first!" if event['name'] == 'buzz' && is_open
  is_open = event['name'] == 'question' || (is_open && event['name'] != 'buzz')
end
messages = 'onMessageInGroup(groupId: $groupId, domain: $domain) { batchEvent { events { name payload } } }'
post('graphql/stream', "subscription ($groupId: ID!, $domain: String!) { #{messages} }", group) do |response|
  puts 'Press Enter to buzz.'
  rest = +''
  response.read_body do |piece| # until the group ends
    lines = (rest << piece).slice!(/.*\n/m).to_s.lines.grep(/^data: {/)
    batches = lines.map { |line| JSON.parse(line[6..]).dig('data', 'onMessageInGroup', 'batchEvent') }
    batches.compact.each { |batch| batch['events'].each(&show) }
  end
end
