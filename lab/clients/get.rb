# GET with Ruby's Net::HTTP.
require "net/http"

answer = Net::HTTP.get_response(URI(ARGV[0]))
puts answer.code, answer.body.to_s.lines.first
