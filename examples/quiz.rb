# Answers in a buzzer quiz: ruby quiz.rb URL KEY CODE NAME. Needs nothing but Ruby; quiz.mjs asks.
%w[json net/http securerandom time].each { |name| require name }

SERVER, KEY, CODE, MY_NAME = ARGV
HEADERS = { 'Content-Type' => 'application/json', 'x-api-key' => KEY, 'x-mesh-join-code' => CODE }.freeze
IDS = '$groupId: ID!, $domain: String!, $nodeId: ID!'.freeze
AS_ME = 'groupId: $groupId, domain: $domain, nodeId: $nodeId'.freeze
$stdout.sync = true

def post(path, query, variables, &read)
  uri = URI.join(SERVER, path)
  request = Net::HTTP::Post.new(uri, HEADERS)
  request.body = JSON.generate(query: query, variables: variables)
  Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == 'https') { |http| http.request(request, &read) }
end

def call(query, variables)
  answer = JSON.parse(post('graphql', query, variables).body)
  answer['errors'] ? abort(answer['errors'][0]['message']) : answer['data'].values[0]
end

group = call('query ($code: String!) { groupByJoinCode(code: $code) { groupId: id domain } }', { code: CODE })
me = group.merge(nodeId: SecureRandom.hex)
call("mutation (#{IDS}, $name: String) { joinGroup(#{AS_ME}, nickname: $name) { id } }", me.merge(name: MY_NAME))
FIRE = "mutation (#{IDS}, $events: [EventInput!]!) { fireEventsByNode(#{AS_ME}, events: $events) { groupId } }".freeze
buzz = -> { call(FIRE, me.merge(events: [{ eventName: 'buzz', payload: MY_NAME, firedAt: Time.now.utc.iso8601 }])) }
Thread.new { $stdin.each_line { buzz.call } }

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
    rest << piece
    lines = rest.slice!(/.*\n/m).to_s.lines.grep(/^data: {/)
    batches = lines.map { |line| JSON.parse(line[6..])['data']['onMessageInGroup']['batchEvent'] }
    batches.compact.each { |batch| batch['events'].each(&show) }
  end
end
