// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Range is a closed interval of IPv4 addresses, as numbers.
type Range struct{ First, Last uint32 }

// Ranges is a set of addresses: sorted, disjoint and merged, so that nftables accepts it as one interval set.
type Ranges []Range

// Everything is the whole IPv4 address space.
var Everything = Ranges{{0, 1<<32 - 1}}

func number(address netip.Addr) uint32 {
	bytes := address.As4()
	return binary.BigEndian.Uint32(bytes[:])
}

func address(number uint32) netip.Addr {
	var bytes [4]byte
	binary.BigEndian.PutUint32(bytes[:], number)
	return netip.AddrFrom4(bytes)
}

// Single is the set of one address; an IPv6 address gives the empty set, since the lab's pods have none.
func Single(text string) Ranges {
	parsed, err := netip.ParseAddr(text)
	if err != nil || !parsed.Unmap().Is4() {
		return nil
	}
	value := number(parsed.Unmap())
	return Ranges{{value, value}}
}

// Block is the set of a CIDR; host bits are ignored, as the API does. IPv6 and malformed blocks give the empty set.
func Block(text string) Ranges {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || !prefix.Addr().Is4() {
		return nil
	}
	first := number(prefix.Masked().Addr())
	return Ranges{{first, first | uint32(uint64(1)<<(32-prefix.Bits())-1)}}
}

// Union merges sets.
func Union(sets ...Ranges) Ranges {
	all := slices.Concat(sets...)
	slices.SortFunc(all, func(a, b Range) int {
		if a.First < b.First || (a.First == b.First && a.Last < b.Last) {
			return -1
		}
		if a == b {
			return 0
		}
		return 1
	})
	var merged Ranges
	for _, next := range all {
		if n := len(merged); n > 0 && uint64(next.First) <= uint64(merged[n-1].Last)+1 {
			merged[n-1].Last = max(merged[n-1].Last, next.Last)
			continue
		}
		merged = append(merged, next)
	}
	return merged
}

// Without takes the addresses of other away.
func (ranges Ranges) Without(other Ranges) Ranges {
	rest := slices.Clone(ranges)
	for _, hole := range Union(other) {
		var next Ranges
		for _, piece := range rest {
			if hole.Last < piece.First || piece.Last < hole.First {
				next = append(next, piece)
				continue
			}
			if piece.First < hole.First {
				next = append(next, Range{piece.First, hole.First - 1})
			}
			if hole.Last < piece.Last {
				next = append(next, Range{hole.Last + 1, piece.Last})
			}
		}
		rest = next
	}
	return rest
}

// IsEverything says whether no address is left out.
func (ranges Ranges) IsEverything() bool { return len(ranges) == 1 && ranges[0] == Everything[0] }

// Strings gives each interval as nftables writes it: an address, or first-last.
func (ranges Ranges) Strings() []string {
	texts := make([]string, 0, len(ranges))
	for _, piece := range ranges {
		text := address(piece.First).String()
		if piece.Last != piece.First {
			text += "-" + address(piece.Last).String()
		}
		texts = append(texts, text)
	}
	return texts
}
