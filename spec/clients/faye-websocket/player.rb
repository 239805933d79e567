# Ruby's faye-websocket as the helper of AppSync Mesh v2's RSpec suite uses it, with orders from
# common/played.mjs: player.rb ENDPOINT KEY. Needs https: it knows no other way to a socket.
require 'base64'
require 'eventmachine'
require 'faye/websocket'
require 'json'
require 'net/http'
require 'securerandom'

ENDPOINT = URI(ARGV[0])
KEY = ARGV[1]
$stdout.sync = true

def emit(answer)
  puts JSON.generate(answer)
end

# Over HTTP the helper looks at no certificate.
def ask(query, variables)
  http = Net::HTTP.new(ENDPOINT.host, ENDPOINT.port)
  http.use_ssl = true
  http.verify_mode = OpenSSL::SSL::VERIFY_NONE
  request = Net::HTTP::Post.new(ENDPOINT.path, 'Content-Type' => 'application/json', 'x-api-key' => KEY)
  request.body = JSON.generate(query: query, variables: variables)
  answer = JSON.parse(http.request(request).body)
  return { data: answer['data'] } unless answer['errors']

  { error: { message: answer['errors'][0]['message'], errors: answer['errors'] } }
end

# A socket for each subscription, with the key in its query: the host without its port.
class Subscription
  def initialize(id, query, variables)
    @id = id
    @data = JSON.generate(query: query, variables: variables)
    @authorization = { 'host' => ENDPOINT.host, 'x-api-key' => KEY }
    @over = false
    connect
  end

  def stop
    @over = true
    @socket.close
  end

  private

  def connect
    header = Base64.strict_encode64(JSON.generate(@authorization))
    url = ENDPOINT.to_s.sub('https://', 'wss://').sub(%r{/graphql/?\z}, '/graphql/realtime')
    @socket = Faye::WebSocket::Client.new("#{url}?header=#{header}&payload=e30=", ['graphql-ws'])
    @socket.on(:open) { say(type: 'connection_init') }
    @socket.on(:message) { |event| receive(JSON.parse(event.data)) }
    # It does not come back by itself: the app connects anew.
    @socket.on(:close) { EventMachine.add_timer(0.2) { connect unless @over } unless @over }
  end

  def say(message)
    @socket.send(JSON.generate(message))
  end

  def receive(message)
    case message['type']
    when 'connection_ack'
      extensions = { authorization: @authorization }
      say(id: SecureRandom.uuid, type: 'start', payload: { data: @data, extensions: extensions })
    when 'data' then emit(id: @id, message: message['payload']['data']['onMessageInGroup'])
    when 'error', 'connection_error'
      @over = true
      errors = message['payload']['errors']
      emit(id: @id, error: { message: errors[0]['message'], errors: errors })
    end
  end
end

EventMachine.run do
  subscriptions = {}
  Thread.new do
    $stdin.each_line do |line|
      order = JSON.parse(line, symbolize_names: true)
      query, variables = order.values_at(:query, :variables)
      case order[:order]
      when 'send'
        Thread.new { emit({ id: order[:id] }.merge(ask(query, variables))) }
      when 'listen'
        EventMachine.schedule { subscriptions[order[:id]] = Subscription.new(order[:id], query, variables) }
      when 'end'
        EventMachine.schedule { subscriptions.delete(order[:id])&.stop }
      end
    end
    EventMachine.schedule { EventMachine.stop }
  end
  emit(ready: true)
end
